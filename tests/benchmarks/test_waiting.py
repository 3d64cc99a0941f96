"""How long a visitor waits: the order of what happens after a press, and a copy that is kept."""

from sinkprune.benchmarks.engine import DECODING
from sinkprune.benchmarks.waiting import races, races_table, wait_for, waits, waits_table
from sinkprune.decoding import DecodeConfig
from sinkprune.lab.store import PrunedStore
from sinkprune.pruning import CalibrationConfig, PruneConfig

PROMPT = "why do stars shine ?"
CALIBRATION = CalibrationConfig(samples=2, length=16)


def test_a_press_is_timed_to_its_first_token_its_last_and_its_card(loaded):
    store, config = PrunedStore(2**24), DecodeConfig(gen_length=8, block_length=4, steps=8)
    first, again = (wait_for(loaded, store, PROMPT, config, PruneConfig("wanda"), CALIBRATION) for _ in range(2))
    for wait in (first, again):
        assert 0 < wait.first < wait.last < wait.card
    assert first.comparison.pruned.prune_seconds == again.comparison.pruned.prune_seconds  # it was not pruned twice
    assert first.comparison.agreement == again.comparison.agreement


def test_every_method_and_every_way_of_decoding_has_a_row(loaded):
    methods = ("magnitude", "structured")
    table = waits_table(waits(loaded, methods, 0.5, CALIBRATION, PROMPT, 32))
    assert [line.split(" | ")[0] for line in table.splitlines()[2:]] == [f"| {method}" for method in methods]
    found = races(loaded, ("magnitude",), 0.5, CALIBRATION, PROMPT, 32)
    assert [mode for _, mode in found] == list(DECODING)
    assert found["magnitude", "plain"].dense.forwards == 32
    assert len(races_table(found).splitlines()) == 2 + len(DECODING)
