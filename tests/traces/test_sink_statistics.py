import dataclasses
import json

import numpy as np
import pytest

from sinkprune.decoding import DecodeConfig
from sinkprune.traces.runs import finish, trace_run
from sinkprune.traces.shares import to_base64
from sinkprune.traces.sink_statistics import (
    lane_statistics,
    layer_medians,
    layer_statistics,
    main,
    sink_statistics,
    summary,
    trace_statistics,
)

CONFIG = DecodeConfig(gen_length=8, block_length=4, steps=8)


def lane_with(leaders: list[int], length: int, visible: list[int], strength: float = 0.5) -> tuple[dict, dict]:
    """A trace and its lane of one layer and head in which position leaders[t] gets `strength` of step t's attention."""
    frames = []
    for leader, n in zip(leaders, visible, strict=True):
        share = np.zeros(length)
        share[:n] = (1 - strength) / (n - 1)
        share[leader] = strength
        frames.append(
            {
                "visible": n,
                "confidence": to_base64(np.full(length, 255, np.uint8)),
                "share": to_base64(np.round(share * 65535).astype("<u2")),
                "heads": to_base64(np.round(np.sqrt(share) * 255).astype(np.uint8)),
            }
        )
    lane = {"kind": "dlm", "title": "Diffusion", "length": length, "frames": frames, "text": "", "promptLength": 1}
    return {"prompt": "p", "model": {"layers": 1, "heads": 1}, "lanes": [lane]}, lane


def test_a_sink_that_wanders_golden():
    """Positions 2, 6, 10: centroid the same, variance 32/3; each holds half of one step in three, so the mean map is known."""
    trace, lane = lane_with([2, 6, 10], 20, [20, 20, 20])
    numbers = lane_statistics(trace, lane)
    assert numbers.centroids.tolist() == pytest.approx([2, 6, 10])
    assert numbers.temporal_variance == pytest.approx(32 / 3, rel=1e-4)
    assert numbers.leaders.tolist() == [2, 6, 10]
    assert np.nonzero(numbers.sinks)[1].tolist() == [2, 6, 10]
    mean = np.full(20, 20 * 0.5 / 19)
    mean[[2, 6, 10]] = 20 * (0.5 + 2 * 0.5 / 19) / 3
    assert numbers.spatial_variance == pytest.approx(mean.var(), rel=1e-3)


def test_a_sink_that_stays_while_the_canvas_grows():
    trace, lane = lane_with([0, 0, 0], 20, [10, 15, 20])
    numbers = lane_statistics(trace, lane)
    assert numbers.temporal_variance == pytest.approx(0, abs=1e-9)
    assert not numbers.sinks[0, 10:].any()


def test_a_lane_without_steps_is_refused():
    trace, lane = lane_with([], 20, [])
    with pytest.raises(ValueError, match="no step yet"):
        lane_statistics(trace, lane)


def test_statistics_over_prompts_cover_both_lanes(loaded):
    runs = list(sink_statistics(loaded, ["the sun is", "why do stars shine ?"], CONFIG))
    expected = [("dlm", None), ("ar", None), ("dlm", 0), ("dlm", 1), ("ar", 0), ("ar", 1)]
    assert [[(lane.kind, lane.layer) for lane in run] for run in runs] == [expected, expected]
    assert runs[1][0].prompt == "why do stars shine ?"
    lanes = [lane for run in runs for lane in run]
    numbers = summary(lanes)
    assert numbers["dlm"]["prompts"] == 2
    assert numbers["dlm"]["temporal_min"] <= numbers["dlm"]["temporal_median"] <= numbers["dlm"]["temporal_max"]
    layer = layer_medians(lanes)["ar"][1]
    values = [lane.spatial_variance for lane in lanes if (lane.kind, lane.layer) == ("ar", 1)]
    assert layer["layer"] == 1
    assert layer["spatial_variance"] == pytest.approx(sum(values) / 2)
    only_denoises = dataclasses.replace(loaded, spec=dataclasses.replace(loaded.spec, causal=False))
    assert {lane.kind for run in sink_statistics(only_denoises, ["the sun"], CONFIG) for lane in run} == {"dlm"}


def test_statistics_of_a_real_trace_match_its_lanes(loaded):
    trace = finish(trace_run(loaded, "the sun is", CONFIG))
    for numbers, lane in zip(trace_statistics(trace), trace["lanes"], strict=True):
        assert numbers.centroids.shape == (len(lane["frames"]),)
        assert numbers.text == lane["text"]
        assert numbers.sinks.shape == (len(lane["frames"]), lane["length"])


def two_layers() -> dict:
    """Layer 0: position 2 leads always; layer 1: it leads half as strongly, and a sink of its own stands at 5, 5, nowhere, 9, 5."""
    places = [5, 5, None, 9, 5]
    frames = []
    for place in places:
        heads = np.full((2, 2, 20), 0.4 / 19)
        heads[0, :, 2] = 0.6
        if place is None:
            heads[1] = 1 / 20
        else:
            heads[1, 0, place], heads[1, 1, place] = 0.7, 0.5
        share = heads.mean((0, 1))
        frames.append(
            {
                "visible": 20,
                "confidence": to_base64(np.full(20, 255, np.uint8)),
                "share": to_base64(np.round(share * 65535).astype("<u2")),
                "heads": to_base64(np.round(np.sqrt(heads) * 255).astype(np.uint8)),
            }
        )
    lane = {"kind": "dlm", "title": "Diffusion", "length": 20, "frames": frames, "text": "", "promptLength": 1}
    return {"prompt": "p", "model": {"layers": 2, "heads": 2}, "lanes": [lane]}


def test_a_layer_tells_what_the_mean_hides():
    """The sink of layer 1 moves 5, 5, none, 9, 5: two moves, centroids of variance 3, while layer 0 stands still."""
    first, second = layer_statistics(two_layers())
    assert (first.layer, second.layer) == (0, 1)
    assert (first.moves, first.temporal_variance) == (0, pytest.approx(0, abs=1e-9))
    assert (second.moves, second.temporal_variance) == (2, pytest.approx(3, rel=1e-3))
    assert second.centroids.tolist() == pytest.approx([5, 5, np.nan, 9, 5], nan_ok=True)
    alone = trace_statistics(two_layers(), layer=1)[0]
    assert (alone.moves, alone.temporal_variance) == (second.moves, second.temporal_variance)
    assert trace_statistics(two_layers())[0].leaders.tolist() == [2, 2, 2, 2, 2]


@pytest.mark.parametrize("layer", [-1, 2])
def test_a_layer_that_is_not_there_is_refused(layer):
    with pytest.raises(ValueError, match="layers 0 to 1"):
        trace_statistics(two_layers(), layer=layer)


def test_the_command_prints_runs_and_layers(loaded, monkeypatch, capsys):
    monkeypatch.setattr("sinkprune.traces.sink_statistics.load_model", lambda name: loaded)
    monkeypatch.setattr(
        "sinkprune.traces.sink_statistics.sink_statistics", lambda model: sink_statistics(model, ["the sun"], CONFIG)
    )
    main([])
    printed = capsys.readouterr().out
    runs, layers = printed.split("Layer by layer")
    assert runs.count("the sun") == 2
    assert [line.split()[0] for line in layers.splitlines()[2:]] == ["1", "2"]
    main(["--json"])
    printed = json.loads(capsys.readouterr().out.replace("NaN", "null"))
    assert [len(rows) for rows in printed["layers"].values()] == [2, 2]
