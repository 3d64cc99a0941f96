import copy
import dataclasses
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sinkprune.decoding import Step
from sinkprune.traces.check import check_trace, read_trace, trace_text
from sinkprune.traces.format import add_step, decode_lane, encode_frame, start_lane, start_trace

PROMPT = torch.tensor([[4, 5, 6]])


def make_step(
    index: int, length: int, visible: int | None = None, seed: int = 0, layers: int = 2, heads: int = 4
) -> Step:
    """A denoising step as decoding yields it, with random attention; visible < length is an autoregressive one."""
    generator = torch.Generator().manual_seed(seed + 100 * index)
    visible = visible or length
    weights = torch.randn(layers, heads, visible, visible, generator=generator).mul(3).softmax(-1)
    confidence = torch.rand(visible, generator=generator)
    confidence[0] = float("nan")
    canvas = torch.full((1, visible), 3)
    canvas[0, :3] = PROMPT
    canvas[0, 3 + index] = 7
    return Step(index, 0, index + 1, canvas, torch.tensor([3 + index]), confidence, (0, visible), 0.5, weights.sum(2))


def make_trace(loaded, steps: int = 3) -> dict:
    lanes = []
    for kind in ("dlm", "ar"):
        lane = start_lane(kind, kind.upper(), "tiny", loaded, PROMPT, 8)
        for index in range(steps):
            visible = 8 if kind == "dlm" else 4 + index
            lane = add_step(lane, make_step(index, 8, visible), loaded)
        lanes.append({**lane, "done": True})
    return start_trace("the sun is", loaded, {"gen_length": 5}, lanes)


def test_frame_golden(loaded):
    """One layer, two heads, three positions: every byte by hand."""
    mass = torch.tensor([[[2.0, 0.0, 0.0], [0.5, 1.0, 0.5]]])  # two rows, so shares are half of it
    step = Step(
        4,
        1,
        5,
        torch.tensor([[4, 8, 3]]),
        torch.tensor([1]),
        torch.tensor([float("nan"), 0.5, 1.0]),
        (1, 3),
        0.25,
        mass,
    )
    frame = encode_frame(step, 4, loaded)
    assert frame["committed"] == [[1, 8, "star", 0.5]]
    assert (frame["rows"], frame["visible"], frame["nfe"], frame["block"], frame["seconds"]) == ([1, 3], 3, 5, 1, 0.25)
    lane = {"frames": [frame], "length": 4}
    arrays = decode_lane({"model": {"layers": 1, "heads": 2}}, lane)
    assert arrays.share[0].tolist() == [
        pytest.approx(0.625, abs=1e-5),
        *[pytest.approx(x, abs=1e-5) for x in (0.25, 0.125, 0)],
    ]
    assert arrays.heads[0, 0].tolist() == [
        [1, 0, 0, 0],
        [pytest.approx(0.25, abs=2e-3), pytest.approx(0.5, abs=3e-3), pytest.approx(0.25, abs=2e-3), 0],
    ]
    assert arrays.confidence[0, 1:3].tolist() == [0.5, 1.0]
    assert np.isnan(arrays.confidence[0, [0, 3]]).all()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), length=st.integers(4, 40), visible=st.integers(4, 40))
def test_quantisation_keeps_shares(loaded, seed, length, visible):
    step = make_step(0, length, min(visible, length), seed)
    lane = add_step(start_lane("dlm", "", "tiny", loaded, PROMPT, length), step, loaded)
    arrays = decode_lane({"model": {"layers": 2, "heads": 4}}, lane)
    share = (step.column_mass / (step.rows[1] - step.rows[0])).numpy()
    seen = share.shape[-1]
    assert np.abs(arrays.share[0, :seen] - share.mean((0, 1))).max() <= 0.51 / 65535
    assert arrays.share[0].sum() == pytest.approx(1, abs=1e-3)
    assert np.abs(np.sqrt(arrays.heads[0][..., :seen]) - np.sqrt(share)).max() <= 0.51 / 255
    assert not arrays.heads[0][..., seen:].any()
    known = ~np.isnan(arrays.confidence[0, :seen])
    assert (known == ~np.isnan(step.confidence.numpy())).all()
    assert np.abs(arrays.confidence[0, :seen][known] - step.confidence.numpy()[known]).max() <= 0.51 / 254


def test_means_leave_out_heads_that_were_removed(loaded):
    """A structured cut's heads have mass 0: the shares of the others still sum to 1."""
    step = make_step(0, 8)
    mass = step.column_mass.clone()
    mass[0, 1:] = 0
    lane = add_step(start_lane("dlm", "t", "m", loaded, PROMPT, 8), dataclasses.replace(step, column_mass=mass), loaded)
    arrays = decode_lane({"model": {"layers": 2, "heads": 4}}, lane)
    expected = torch.cat([mass[0, :1], mass[1]]).mean(0) / 8
    assert np.abs(arrays.share[0] - expected.numpy()).max() <= 0.51 / 65535
    assert arrays.share[0].sum() == pytest.approx(1, abs=1e-3)


def test_steps_add_frames_and_change_nothing_sent_before(loaded):
    lane = start_lane("dlm", "Diffusion", "tiny", loaded, PROMPT, 8)
    sent, texts = [], []
    for index in range(3):
        lane = add_step(lane, make_step(index, 8), loaded)
        sent.append((lane, copy.deepcopy(lane)))
        texts.append(lane["text"])
    assert all(value == at_the_time for value, at_the_time in sent)
    assert [len(value["frames"]) for value, _ in sent] == [1, 2, 3]
    assert sent[2][0]["frames"][0] is sent[0][0]["frames"][0]
    assert lane["nfe"] == 3
    assert texts[0] == "a"  # masks are left out of the text


def test_a_step_without_recording_is_refused(loaded):
    lane = start_lane("dlm", "Diffusion", "tiny", loaded, PROMPT, 8)
    with pytest.raises(ValueError, match="record=True"):
        add_step(lane, dataclasses.replace(make_step(0, 8), column_mass=None), loaded)


def test_json_round_trip(loaded):
    trace = make_trace(loaded)
    assert read_trace(trace_text(trace)) == trace
    assert trace["lanes"][1]["frames"][0]["visible"] == 4


def test_two_runs_of_one_prompt_differ(loaded):
    assert make_trace(loaded)["run"] != make_trace(loaded)["run"]


def broken(trace: dict, path: tuple, value: object) -> dict:
    trace = copy.deepcopy(trace)
    part = trace
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    return trace


FRAME = ("lanes", 0, "frames", 1)


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        (("format",), "other", "not a trace"),
        (("version",), 2, "version 2"),
        (("version",), True, "version True"),
        (("prompt",), 7, "prompt"),
        (("model", "layers"), 10**9, "layers"),
        (("model", "heads"), 3, "heads"),
        (("model", "revision"), [], "revision"),
        (("view",), 4, "view"),
        (("view",), {"layer": 2}, "view"),
        (("view",), {"layer": "1"}, "view"),
        (("view",), {"layer": True}, "view"),
        (("lanes",), [], "lanes"),
        (("lanes", 0, "kind"), "gpt", "kind"),
        (("lanes", 0, "length"), 10**9, "length"),
        (("lanes", 0, "tokens"), ["a"], "tokens"),
        (("lanes", 0, "ids"), [1, 2, None], "ids"),
        (("lanes", 0, "promptLength"), 9, "promptLength"),
        (("lanes", 0, "maskId"), "3", "maskId"),
        (("lanes", 0, "frames"), [{}] * 5000, "frames"),
        ((*FRAME, "visible"), 9, "visible"),
        ((*FRAME, "rows"), [3, 3], "rows"),
        ((*FRAME, "step"), "1", "step"),
        ((*FRAME, "share"), "AAAA", "share"),
        ((*FRAME, "confidence"), "<script>...", "confidence"),
        ((*FRAME, "heads"), None, "heads"),
        ((*FRAME, "committed"), [[0, 1, "x"]], "committed"),
        ((*FRAME, "committed"), [[8, 1, "x", 0.5]], "committed"),
        ((*FRAME, "committed"), [[0, 1, "x" * 10**6, 0.5]], "committed"),
        ((*FRAME, "seconds"), -1, "seconds"),
    ],
)
def test_a_broken_trace_is_refused_with_a_sentence(loaded, path, value, sentence):
    with pytest.raises(ValueError, match=sentence):
        check_trace(broken(make_trace(loaded), path, value))


@pytest.mark.parametrize("view", [None, {}, {"layer": None}, {"layer": 0}, {"layer": 1}])
def test_a_trace_may_say_which_layer_opens(loaded, view):
    check_trace({**make_trace(loaded), "view": view})


@pytest.mark.parametrize("text", ["", "[", "[1]", "null", '{"format": "sinkprune-trace"}', "[" * 100_000, '{"a": NaN}'])
def test_text_that_is_no_trace_is_refused(text):
    with pytest.raises(ValueError, match=r"not JSON|not a trace|version"):
        read_trace(text)


def test_base64_must_decode_to_exactly_the_size(loaded):
    """length 8 -> 8 bytes -> 12 characters with one pad; 9 bytes fill the same 12 characters without."""
    trace = broken(make_trace(loaded), (*FRAME, "confidence"), "A" * 12)
    with pytest.raises(ValueError, match="base64 of 8 bytes"):
        check_trace(trace)


def test_encoding_is_deterministic_json(loaded):
    text = trace_text({**make_trace(loaded), "run": "x"})
    assert text == trace_text({**make_trace(loaded), "run": "x"})
    assert json.loads(text)["lanes"][0]["tokens"] == ["the", "sun", "is"]
