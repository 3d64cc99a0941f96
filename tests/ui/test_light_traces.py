"""Light traces: what a browser gets at once, and what it gets when it asks for heads."""

import base64
import zlib

import numpy as np
import pytest

from sinkprune.traces.format import decode_lane
from sinkprune.ui.server.light_traces import STEPS_AT_ONCE, RecentRuns
from tests.browser.player_traces import growing, make_trace

SMALL = {"length": 46, "steps": 8, "layers": 3, "heads": 2, "block": 16}


def heads(answer: dict, steps: int) -> np.ndarray:
    """The answer to a question for heads as bytes (steps, L*H*N)."""
    differences = np.frombuffer(zlib.decompress(base64.b64decode(answer["heads"])), np.uint8).reshape(steps, -1)
    return np.cumsum(differences, axis=0, dtype=np.uint8)


def test_layers_are_the_means_of_the_heads_that_exist():
    trace = make_trace(**SMALL)
    for lane, light in zip(trace["lanes"], RecentRuns(10**9).light(trace)["lanes"], strict=True):
        expected = decode_lane(trace, lane).heads.mean(2)  # (T, L, N)
        stored = [np.frombuffer(base64.b64decode(frame["layers"]), "<u2") for frame in light["frames"]]
        assert np.abs(np.stack(stored).reshape(expected.shape) / 65535 - expected).max() < 0.51 / 65535
        assert not any("heads" in frame for frame in light["frames"])


def test_a_removed_head_does_not_thin_its_layers_mean():
    trace = make_trace(**SMALL, kinds=("dlm",))
    frame = trace["lanes"][0]["frames"][0]
    bytes_ = np.frombuffer(base64.b64decode(frame["heads"]), np.uint8).reshape(3, 2, -1).copy()
    bytes_[1, 0] = 0
    frame["heads"] = base64.b64encode(bytes_.tobytes()).decode()
    light = RecentRuns(10**9).light(trace)["lanes"][0]["frames"][0]
    layers = np.frombuffer(base64.b64decode(light["layers"]), "<u2").reshape(3, -1)
    assert layers[1] / 65535 == pytest.approx((bytes_[1, 1] / 255) ** 2, abs=1e-5)


def test_heads_come_back_exactly_and_a_few_steps_at_a_time():
    trace = make_trace(**{**SMALL, "steps": 32}, kinds=("dlm",))
    recent = RecentRuns(10**9)
    recent.light(trace)
    frames = trace["lanes"][0]["frames"]
    for start, end in ((0, 1), (5, 9), (0, 99), (30, 40)):
        count = min(end, len(frames), start + STEPS_AT_ONCE) - start
        answer = recent.heads({"run": trace["run"], "lane": 0, "from": start, "to": end})
        expected = [
            np.frombuffer(base64.b64decode(frame["heads"]), np.uint8) for frame in frames[start : start + count]
        ]
        assert (heads(answer, count) == np.stack(expected)).all()


def test_a_growing_run_keeps_the_frames_it_sent():
    recent = RecentRuns(10**9)
    before = None
    for trace in growing(make_trace(**SMALL)):
        light = recent.light(trace)
        for lane, old in zip(light["lanes"], before["lanes"] if before else light["lanes"], strict=True):
            assert all(new is was for new, was in zip(lane["frames"], old["frames"], strict=False))
        before = light
    assert before == RecentRuns(10**9).light(make_trace(**SMALL))


def test_memory_is_bounded_and_a_forgotten_run_says_so():
    traces = [{**make_trace(**SMALL), "run": str(number)} for number in range(5)]
    size = sum(len(frame["heads"]) for lane in traces[0]["lanes"] for frame in lane["frames"])
    recent = RecentRuns(2 * size)
    for trace in traces:
        recent.light(trace)
    question = {"lane": 0, "from": 0, "to": 1}
    for forgotten in "012":
        with pytest.raises(ValueError, match="run again"):
            recent.heads({"run": forgotten, **question})
    for kept in "34":
        recent.heads({"run": kept, **question})


@pytest.mark.parametrize(
    "question",
    [
        None,
        [],
        {"run": 3},
        {"run": "unknown", "lane": 0, "from": 0, "to": 1},
        {"run": "here"},
        {"run": "here", "lane": 2, "from": 0, "to": 1},
        {"run": "here", "lane": -1, "from": 0, "to": 1},
        {"run": "here", "lane": 0, "from": -1, "to": 1},
        {"run": "here", "lane": 0, "from": 3, "to": 3},
        {"run": "here", "lane": 0, "from": 900, "to": 901},
        {"run": "here", "lane": 0, "from": 0.0, "to": 1},
        {"run": "here", "lane": True, "from": 0, "to": 1},
    ],
)
def test_questions_that_make_no_sense_are_refused_in_words(question):
    recent = RecentRuns(10**9)
    recent.light({**make_trace(**SMALL), "run": "here"})
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        recent.heads(question)
