"""Changed runs: lanes of a change beside its controls, blanks, and what a trace keeps of them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from sinkprune.decoding import Cover, DecodeConfig, LeaveOutHeads
from sinkprune.lab.what_if import results
from sinkprune.models import watching
from sinkprune.traces.blanks import Blanks
from sinkprune.traces.check import check_trace, read_trace, trace_text
from sinkprune.traces.controls import changes_of
from sinkprune.traces.parting import answer_ids
from sinkprune.traces.runs import finish, trace_run
from sinkprune.traces.shares import from_base64
from tests.word_model import MASK, tiny_model

PROMPT = "why do stars shine ?"
CONFIG = DecodeConfig(32, 16, 32)
SPARSE = DecodeConfig(32, 16, 32, cache="sparse", retention=0.25)
CHANGES = [
    ("dlm", CONFIG, Cover(count=2)),
    ("dlm", CONFIG, Cover("given", positions=(0, 3))),
    ("ar", CONFIG, Cover(count=1, protocol="paper")),
    ("dlm", CONFIG, LeaveOutHeads(count=1)),
    ("ar", CONFIG, LeaveOutHeads("highest", 1)),
    ("dlm", SPARSE, None),
]


@pytest.fixture(scope="module")
def loaded():
    loaded = tiny_model()
    loaded.model.set_attn_implementation(watching.ATTENTION_NAME)  # as load_model does
    return loaded


def written(loaded, kind, config, intervention):
    return finish(trace_run(loaded, PROMPT, config, (kind,), intervention=intervention, controls=True))


def frame_bits(frame, name, *shape):
    return np.unpackbits(from_base64(frame[name]), count=int(np.prod(shape))).reshape(shape)


@pytest.mark.parametrize(("kind", "config", "intervention"), CHANGES)
def test_a_change_stands_between_the_untouched_run_and_its_random_control(loaded, kind, config, intervention):
    trace = written(loaded, kind, config, intervention)
    assert read_trace(trace_text(trace)) == trace
    untouched, changed, control = trace["lanes"]
    config = DecodeConfig(32, 16, 32, cache="dual") if config is SPARSE else config
    alone = finish(trace_run(loaded, PROMPT, config, (kind,)))["lanes"][0]
    assert answer_ids(untouched, MASK) == answer_ids(alone, MASK)
    assert "andom" in control["title"]
    assert len({lane["title"] for lane in trace["lanes"]}) == 3
    layers, heads = trace["model"]["layers"], trace["model"]["heads"]
    for lane in (changed, control):
        frame = lane["frames"][1]
        if isinstance(intervention, Cover):
            bits = frame_bits(frame, "covered", layers, heads, lane["length"])
            count = len(intervention.positions) or intervention.count
            assert (bits.sum(-1) == count).all()
        elif intervention is not None:
            assert frame_bits(frame, "leftOut", layers, heads).sum() == intervention.count
        else:
            outside = lane["length"] - 16
            kept = frame_bits(frame, "kept", layers, lane["length"])
            assert (kept.sum(-1) == 16 + int(0.25 * outside)).all()
            assert frame["kv"][0] == kept.sum()
    assert not {"covered", "leftOut", "kept"} & untouched["frames"][1].keys()


@pytest.mark.parametrize(("kind", "config", "intervention"), CHANGES)
def test_a_run_left_in_the_middle_leaves_no_step_and_no_change(loaded, kind, config, intervention):
    before = answer_ids(finish(trace_run(loaded, PROMPT, CONFIG, ("dlm",)))["lanes"][0], MASK)
    run = trace_run(loaded, PROMPT, config, (kind,), intervention=intervention, controls=True)
    next(run), next(run)
    run.close()
    assert watching.present_at(loaded.model.config) == watching.NOBODY
    assert next(run, None) is None  # no lane goes on
    assert answer_ids(finish(trace_run(loaded, PROMPT, CONFIG, ("dlm",)))["lanes"][0], MASK) == before


@pytest.mark.parametrize(("kind", "config", "intervention"), CHANGES)
def test_every_lane_is_measured_against_the_untouched_one(loaded, kind, config, intervention):
    trace = written(loaded, kind, config, intervention)
    *_, found = results(loaded, trace, changes_of(kind, config, intervention, controls=True))
    assert [lane.title for lane in found] == [lane["title"] for lane in trace["lanes"]]
    assert found[0].lost is None
    assert found[0].parting is None
    for lane in found[1:]:
        mean, low, high = lane.lost
        assert low <= mean <= high
        assert 0 <= lane.agreement <= 1
        assert (lane.parting is None) == (lane.agreement == 1)
    if config is SPARSE:
        assert found[1].kv_entries < found[0].kv_entries
    assert watching._present.get() == ()


def test_keeping_every_key_loses_nothing(loaded):
    whole = DecodeConfig(32, 16, 32, cache="sparse", retention=1.0)
    trace = written(loaded, "dlm", whole, None)
    *_, found = results(loaded, trace, changes_of("dlm", whole, None, controls=True))
    assert all(lane.parting is None and lane.lost == (0, 0, 0) for lane in found[1:])


def test_a_random_choice_is_its_own_control(loaded):
    assert len(changes_of("dlm", CONFIG, Cover("random"), controls=True)) == 2
    assert len(changes_of("dlm", CONFIG, LeaveOutHeads("random"), controls=True)) == 2
    with pytest.raises(ValueError, match="nothing is changed"):
        changes_of("dlm", CONFIG, None, controls=True)
    with pytest.raises(ValueError, match="nothing is changed"):
        changes_of("ar", SPARSE, None, controls=True)


def test_blanks_are_filled_and_the_rest_stays(loaded):
    blanks = Blanks("stars ___ of ___ light", 3)
    trace = finish(trace_run(loaded, PROMPT, CONFIG, ("dlm",), blanks=blanks))
    assert read_trace(trace_text(trace)) == trace
    (lane,) = trace["lanes"]
    given = {position: token for position, token, _ in lane["given"]}
    committed = {entry[0] for frame in lane["frames"] for entry in frame["committed"]}
    assert len(committed) == 6
    assert not committed & given.keys()
    assert committed | given.keys() == set(range(lane["promptLength"], lane["length"]))
    assert MASK not in answer_ids(lane, MASK)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("no blank", 2), ("__", 2), ("___", 0), ("___", 9), ("___" * 400, 2), (None, 2), ("\ud800___", 2), ("___", "2")],
)
def test_blanks_that_cannot_be_filled_are_refused_in_words(text, tokens):
    with pytest.raises(ValueError, match=r"\w+ \w+ \w+"):
        Blanks(text, tokens)


def test_too_many_blanks_are_refused_before_the_work(loaded):
    with pytest.raises(ValueError, match="there is room for"):
        trace_run(loaded, PROMPT, CONFIG, ("dlm",), blanks=Blanks("___ a " * 100, 8))


def test_only_diffusion_fills_blanks_and_controls_stand_beside_one_lane(loaded):
    with pytest.raises(ValueError, match="only the diffusion lane"):
        trace_run(loaded, PROMPT, CONFIG, ("dlm", "ar"), blanks=Blanks("___"))
    with pytest.raises(ValueError, match="beside one lane"):
        trace_run(loaded, PROMPT, CONFIG, ("dlm", "ar"), intervention=Cover(), controls=True)


def test_candidates_come_on_request_only(loaded):
    plain = finish(trace_run(loaded, PROMPT, CONFIG, ("dlm",)))["lanes"][0]["frames"]
    asked = finish(trace_run(loaded, PROMPT, CONFIG, ("dlm",), candidates=True))
    check_trace(asked)
    assert not any("candidates" in frame for frame in plain)
    position, best = asked["lanes"][0]["frames"][0]["candidates"][0]
    assert len(best) == 5
    assert best == sorted(best, key=lambda one: -one[1])
    assert position >= asked["lanes"][0]["promptLength"]


def test_a_trace_of_the_earlier_format_still_opens(loaded):
    trace = written(loaded, "dlm", CONFIG, Cover())
    for lane in trace["lanes"]:
        for frame in lane["frames"]:
            for name in ("kv", "covered"):
                frame.pop(name, None)
    check_trace(trace)


@pytest.mark.parametrize(
    "bad", [{"kept": "AA=="}, {"covered": 3}, {"leftOut": "!"}, {"kv": [1]}, {"kv": [-1, 2]}, {"candidates": {}}]
)  # fmt: skip
def test_a_frame_whose_changes_do_not_fit_is_refused_in_words(loaded, bad):
    trace = json.loads(trace_text(written(loaded, "dlm", CONFIG, Cover())))
    trace["lanes"][0]["frames"][0] |= bad
    with pytest.raises(ValueError, match="frame 0"):
        check_trace(trace)


@pytest.mark.parametrize("given", [3, [[0, 1, "x"]], [[9999, 1, "x"]], [["a", 1, "x"]]])
def test_given_tokens_that_do_not_fit_are_refused_in_words(loaded, given):
    trace = finish(trace_run(loaded, PROMPT, CONFIG, ("dlm",)))
    trace["lanes"][0]["given"] = given
    with pytest.raises(ValueError, match="given"):
        check_trace(trace)


def test_the_measure_reads_as_the_run_wrote(loaded):
    """Teacher-forced losses of the autoregressive answer agree with the confidence that its run had."""
    from sinkprune.decoding.autoregressive import answer_losses

    for cover in (None, Cover(count=2)):
        (lane,) = finish(trace_run(loaded, PROMPT, CONFIG, ("ar",), intervention=cover))["lanes"]
        losses = answer_losses(loaded, torch.tensor([lane["ids"]]), torch.tensor(answer_ids(lane, MASK)), cover)
        sure = [frame["committed"][0][3] for frame in lane["frames"]]
        assert torch.allclose((-losses).exp(), torch.tensor(sure, dtype=torch.float64), atol=1e-3)


def test_value_norms_come_on_request_only_in_units_of_the_median(loaded):
    from sinkprune.decoding import denoise
    from sinkprune.traces.format import frame_values
    from sinkprune.traces.runs import check_prompt

    steps = list(denoise(loaded, check_prompt(loaded, PROMPT, 32), CONFIG, value_norms=True))
    for kinds in (("dlm", "ar"), ("ar",)):
        trace = finish(trace_run(loaded, PROMPT, CONFIG, kinds, value_norms=True))
        check_trace(trace)
        layers = trace["model"]["layers"]
        for lane in trace["lanes"]:
            frame = lane["frames"][1]
            found = frame_values(frame, layers, lane["length"])[:, : frame["visible"] - (lane["kind"] == "ar")]
            assert np.allclose(np.median(found, axis=1), 1, rtol=0.05)
        if "dlm" in kinds:
            norms = steps[1].value_norms.numpy()
            found = frame_values(trace["lanes"][0]["frames"][1], layers, norms.shape[1])
            assert np.allclose(found, norms / np.median(norms, axis=1, keepdims=True), rtol=0.05, atol=0.01)
    plain = finish(trace_run(loaded, PROMPT, CONFIG, ("dlm",)))
    assert frame_values(plain["lanes"][0]["frames"][0], 2, 40) is None
