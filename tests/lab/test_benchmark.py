import pytest

from sinkprune.lab.benchmark import as_text, best_seconds, decoding_times, encoding_ms, forward_times, pruning_times
from sinkprune.models import encode_prompt
from sinkprune.pruning import METHODS, CalibrationConfig


def test_variants_take_turns_after_a_warm_up():
    order = []
    best = best_seconds({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, rounds=2)
    assert "".join(order) == "ab" + "ab" + "ba"
    assert all(0 < seconds < 1 for seconds in best.values())


@pytest.mark.parametrize("section", ["forward", "decoding", "pruning"])
def test_the_table_shows_what_was_measured(loaded, section):
    prompt_ids = encode_prompt(loaded, "why do stars shine ?")
    measured = {
        "forward": lambda: forward_times({"float32": loaded}, prompt_ids, 6, rounds=1),
        "decoding": lambda: decoding_times(loaded, prompt_ids, 6, rounds=1),
        "pruning": lambda: pruning_times(loaded, CalibrationConfig(samples=2, length=8)),
    }[section]()
    facts = {"model": "tiny", "dtype": "float32", "device": "cpu", "threads": 1, "torch": "x", "canvas": 11}
    result = {**facts, "forward": {}, "decoding": {}, "pruning": {}, "encoding_ms": 0.1, section: measured}
    text = as_text(result)
    assert all(name in text for name in measured)
    if section == "decoding":
        assert measured["plain"]["forwards"] == 6
        assert all(row["forwards"] <= 6 and row["tokens"] <= 6 for row in measured.values())
    if section == "pruning":
        assert list(measured) == list(METHODS)
        assert all(row["sparsity"] == pytest.approx(0.5, abs=0.01) for row in measured.values())
    if section == "forward":
        row = measured["float32"]
        assert row["overhead"] == pytest.approx(row["recorded_ms"] / row["forward_ms"] - 1)


def test_encoding_is_measured(loaded):
    assert 0 < encoding_ms(loaded, encode_prompt(loaded, "the sun"), 6, rounds=2) < 1000
