"""Tokens committed per forward pass, and where the model was not sure enough."""

import dataclasses

import pytest

from sinkprune.decoding import DecodeConfig, denoise
from sinkprune.figures.commits import commit_figure
from sinkprune.pruning import CalibrationConfig, PruneConfig
from sinkprune.traces.commits import confidence_needed, lane_commits
from sinkprune.traces.runs import check_prompt, compare_run, finish
from sinkprune.ui.words.reading import commits_reading

PROMPT = "why do stars shine ?"
PLAIN = DecodeConfig(gen_length=8, block_length=4, steps=8)


def run(loaded, make_model, **rule):
    config = dataclasses.replace(PLAIN, **rule)
    return finish(compare_run(loaded, make_model(seed=1), "key", PROMPT, config, PruneConfig(), CalibrationConfig()))


@pytest.mark.parametrize("rule", [{"threshold": 0.12}, {"factor": 1.75}, {}])
def test_stalls_are_the_passes_in_which_the_rule_let_nothing_through(loaded, make_model, rule):
    """Against the rule itself: a stall commits one token whose confidence the rule would refuse."""
    trace = run(loaded, make_model, **rule)
    steps = list(denoise(loaded, check_prompt(loaded, PROMPT, 8), dataclasses.replace(PLAIN, **rule)))
    lane = lane_commits(trace)[0]
    assert lane.counts == [len(step.committed) for step in steps]
    assert sum(lane.counts) == 8
    best = [step.confidence[step.committed].max().item() for step in steps]
    assert lane.surest == pytest.approx(best, abs=1e-4)
    if "threshold" in rule:
        assert lane.stalled == [sure < rule["threshold"] for sure in best]
    elif "factor" in rule:
        assert lane.stalled == [2 * (1 - sure) >= rule["factor"] for sure in best]
    else:
        assert not any(lane.stalled)
    assert all(count == 1 for count, stalled in zip(lane.counts, lane.stalled, strict=True) if stalled)


def test_needed_confidence():
    assert confidence_needed({"threshold": 0.9, "factor": None}) == 0.9
    assert confidence_needed({"threshold": None, "factor": 1.0}) == 0.5
    assert confidence_needed({"threshold": None, "factor": 3.0}) == 0
    assert confidence_needed({"threshold": None, "factor": None}) is None


def test_the_figure_shows_both_lanes_and_the_line(loaded, make_model):
    trace = run(loaded, make_model, threshold=0.9)
    figure = commit_figure(trace)
    titles = [lane["title"] for lane in trace["lanes"]]
    assert [line.name for line in figure.data if line.showlegend is None] == [*titles, "needed: 0.9"]
    assert any(line.mode == "markers" for line in figure.data)
    assert set(figure.data[-1].y) == {0.9}
    assert "needed" not in commit_figure(run(loaded, make_model)).data[-1].name


def test_the_reading_says_what_the_figure_shows(loaded, make_model):
    trace = run(loaded, make_model, threshold=0.9)
    said = commits_reading(lane_commits(trace), 0.9)
    stalls = sum(lane_commits(trace)[1].stalled)
    assert f"- {trace['lanes'][1]['title']}: 8 tokens in {trace['lanes'][1]['nfe']} forward passes" in said
    assert f"in {stalls} passes no token reached 0.9" in said
    assert "fixed number" in commits_reading(lane_commits(run(loaded, make_model)), None)
