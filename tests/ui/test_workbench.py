"""Statistics of the dense model on the workbench: read once, shared by all who prune, and never more than a few."""

import dataclasses

import pytest

from sinkprune.pruning import CalibrationConfig, PruneConfig
from sinkprune.pruning.measured import measured_key
from sinkprune.ui.server import runs, workbench
from sinkprune.ui.server.scheduler import LONG, SHORT
from tests.tiny_bench import tiny_bench

TEXT = CalibrationConfig(samples=2, length=16)


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """A bench whose model's statistics for sink-wanda were recorded: as they are, empty."""

    def recorded(loaded):
        return {measured_key(loaded.spec, PruneConfig(), TEXT): ({}, None)}

    monkeypatch.setattr(workbench, "load_statistics", recorded)
    return tiny_bench(tmp_path)


def test_what_was_recorded_is_at_hand_and_stays_when_the_rest_is_dropped(bench):
    assert bench.is_at_hand(PruneConfig(sparsity=0.7), TEXT)
    assert bench.is_at_hand(PruneConfig("sink-structured", 0.3), TEXT)
    for config in (PruneConfig("wanda"), PruneConfig(sink_weight=False), PruneConfig(sink_rule="paper")):
        assert not bench.is_at_hand(config, TEXT)
    (recorded,) = bench.measured
    for seed in range(workbench.MOST_MEASURED):
        key = dataclasses.replace(recorded, text=dataclasses.replace(TEXT, seed=seed + 1))
        bench.measured[key] = {}, 1.0
    assert list(bench.measured) == [recorded]


def test_a_copy_whose_statistics_are_at_hand_waits_in_the_short_line(bench, monkeypatch):
    lines = []
    monkeypatch.setattr(bench.lines, "run", lambda line, steps, *_, **__: lines.append(line) or steps)
    for config in (PruneConfig(), PruneConfig("wanda"), PruneConfig("sink-sparsegpt")):
        runs.pruned(bench, bench.loaded, config, TEXT, "somebody")
    assert lines == [SHORT, LONG, LONG]
