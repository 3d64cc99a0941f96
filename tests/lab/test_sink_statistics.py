import dataclasses

import numpy as np
import pytest

from sinkprune.decoding import DecodeConfig
from sinkprune.lab.statistics import lane_statistics, sink_statistics, summary, trace_statistics
from sinkprune.lab.trace import _to_base64

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
                "confidence": _to_base64(np.full(length, 255, np.uint8)),
                "share": _to_base64(np.round(share * 65535).astype("<u2")),
                "heads": _to_base64(np.round(np.sqrt(share) * 255).astype(np.uint8)),
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
    assert [[lane.kind for lane in run] for run in runs] == [["dlm", "ar"], ["dlm", "ar"]]
    assert runs[1][0].prompt == "why do stars shine ?"
    numbers = summary([lane for run in runs for lane in run])
    assert numbers["dlm"]["prompts"] == 2
    assert numbers["dlm"]["temporal_min"] <= numbers["dlm"]["temporal_median"] <= numbers["dlm"]["temporal_max"]
    only_denoises = dataclasses.replace(loaded, spec=dataclasses.replace(loaded.spec, causal=False))
    assert [[lane.kind for lane in run] for run in sink_statistics(only_denoises, ["the sun"], CONFIG)] == [["dlm"]]


def test_statistics_of_a_real_trace_match_its_lanes(loaded):
    from sinkprune.lab.runs import finish, trace_run

    trace = finish(trace_run(loaded, "the sun is", CONFIG))
    for numbers, lane in zip(trace_statistics(trace), trace["lanes"], strict=True):
        assert numbers.centroids.shape == (len(lane["frames"]),)
        assert numbers.text == lane["text"]
        assert numbers.sinks.shape == (len(lane["frames"]), lane["length"])
