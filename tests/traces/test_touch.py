"""Touched runs: what was written before the edit stays, the model goes on after it, and what cannot be put there is refused in words."""

from __future__ import annotations

import json

import pytest

from sinkprune.decoding import Cover, DecodeConfig
from sinkprune.models import watching
from sinkprune.traces.blanks import Blanks
from sinkprune.traces.check import check_trace, read_trace, trace_text
from sinkprune.traces.controls import Change
from sinkprune.traces.parting import answer_ids, first_divergence
from sinkprune.traces.runs import finish, trace_run
from sinkprune.traces.touch import Edit, Touch, steps_of, touch_asked, touch_run, touched_change
from tests.word_model import MASK, tiny_model

PROMPT = "why do stars shine ?"
CONFIG = DecodeConfig(32, 16, 32)
PLAIN = Change("Diffusion", CONFIG)


@pytest.fixture(scope="module")
def loaded():
    loaded = tiny_model()
    loaded.model.set_attn_implementation(watching.ATTENTION_NAME)  # as load_model does
    return loaded


@pytest.fixture(scope="module")
def trace(loaded):
    return finish(trace_run(loaded, PROMPT, CONFIG, ("dlm",), candidates=True, value_norms=True))


def start(trace) -> int:
    return trace["lanes"][0]["promptLength"]


def test_a_mask_put_back_gives_the_same_text_and_another_word_another(loaded, trace):
    """Greedy and without a cache, only the canvas counts: the token masked again last comes out again."""
    (old,) = trace["lanes"]
    last = old["frames"][-1]["committed"][0][0]
    again = finish(touch_run(loaded, trace, Touch(0, (Edit(len(old["frames"]), last),)), PLAIN))
    was, touched = again["lanes"]
    assert was == old
    assert answer_ids(touched, MASK) == answer_ids(old, MASK)
    assert first_divergence(was, touched) is None
    other = finish(touch_run(loaded, trace, Touch(0, (Edit(4, start(trace) + 1, "sea"),)), PLAIN))
    was, touched = other["lanes"]
    assert touched["frames"][:4] == was["frames"][:4]
    assert touched["frames"][4]["edits"] == [[start(trace) + 1, loaded.tokenizer.convert_tokens_to_ids("sea"), "sea"]]
    assert touched["text"].split()[1] == "sea"
    assert MASK not in answer_ids(touched, MASK)
    assert touched["done"]
    assert [frame["step"] for frame in touched["frames"]] == list(range(len(touched["frames"])))
    assert [frame["nfe"] for frame in touched["frames"]] == [step + 1 for step in range(len(touched["frames"]))]
    assert all("candidates" in frame and "values" in frame for frame in touched["frames"])
    assert read_trace(trace_text(other)) == other


def test_a_touched_run_is_determined_and_says_what_made_it(loaded, trace):
    touch = Touch(0, (Edit(3, start(trace), "sun"),))
    first, second = (finish(touch_run(loaded, trace, touch, PLAIN)) for _ in range(2))
    assert answer_ids(first["lanes"][1], MASK) == answer_ids(second["lanes"][1], MASK)
    assert first["settings"]["touched"] == {"lane": 0, "edits": [[3, start(trace), "sun"]]}
    assert first["run"] != second["run"]


def test_edits_follow_each_other(loaded, trace):
    one = Touch(0, (Edit(3, start(trace), "sun"),))
    once = finish(touch_run(loaded, trace, one, PLAIN))
    two = one.then(Edit(3, start(trace) + 1, "sea"))
    twice = finish(touch_run(loaded, once, two, PLAIN))
    assert twice["lanes"][0] == once["lanes"][1]
    assert twice["lanes"][1]["text"].split()[:2] == ["sun", "sea"]
    assert two.then(Edit(2, start(trace))) == Touch(0, (Edit(2, start(trace)),))
    assert twice["lanes"][1]["title"] == "Touched after step 3 and 3"


def test_steps_come_back_from_a_trace(loaded, trace):
    from sinkprune.decoding import denoise
    from sinkprune.traces.runs import check_prompt

    steps = list(denoise(loaded, check_prompt(loaded, PROMPT, 32), CONFIG))
    for made, read in zip(steps, steps_of(trace["lanes"][0], 99), strict=True):
        assert made.canvas.equal(read.canvas)
        assert (made.index, made.block, made.nfe, made.rows) == (read.index, read.block, read.nfe, read.rows)


def test_the_autoregressive_lane_and_blanks_can_be_touched(loaded):
    trace = finish(trace_run(loaded, PROMPT, CONFIG, ("ar",), intervention=Cover(), controls=True))
    kind, change = touched_change(1, ("ar",), CONFIG, Cover(), True)
    assert (kind, change.title) == ("ar", "Covered")
    place = trace["lanes"][1]["promptLength"] + 1
    touched = finish(touch_run(loaded, trace, Touch(1, (Edit(3, place, "sea"),)), change))
    was, lane = touched["lanes"]
    assert was == trace["lanes"][1]
    assert answer_ids(lane, MASK)[:3] == [
        *answer_ids(was, MASK)[:1],
        answer_ids(lane, MASK)[1],
        answer_ids(was, MASK)[2],
    ]
    assert lane["text"].split()[1] == "sea"
    assert watching._present.get() == ()
    check_trace(touched)
    blanks = Blanks("stars ___ of ___ light", 3)
    trace = finish(trace_run(loaded, PROMPT, CONFIG, ("dlm",), blanks=blanks))
    place = trace["lanes"][0]["promptLength"] + 1
    touched = finish(touch_run(loaded, trace, Touch(0, (Edit(2, place, "blue"),)), PLAIN))
    assert touched["lanes"][1]["text"].split()[1] == "blue"


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        ((99, 20, None), "touch it after one of them"),
        ((3, 0, "sun"), "edit a token of the answer"),
        ((3, 1000, "sun"), "edit a token of the answer"),
        ((3, 20, "sun sea"), "tokens of this model"),
    ],
)
def test_what_the_lane_does_not_have_is_refused_at_the_call(loaded, trace, edit, words):
    with pytest.raises(ValueError, match=words):
        touch_run(loaded, trace, Touch(0, (Edit(*edit),)), PLAIN)


@pytest.mark.parametrize(
    ("edits", "lane"),
    [
        ("x", 0), ([1], 0), ([[1]], 0), ([[0, 5, "a"]], 0), ([[1, -1, "a"]], 0), ([[1, 5, ""]], 0), ([[1, 5, 3]], 0),
        ([[True, 5, "a"]], 0), ([[1, 5, "a" * 101]], 0), ([[1, 5, "\ud800"]], 0), ([[2, 5, "a"], [1, 5, "a"]], 0),
        ([[1, 5, "a"]] * 9, 0), ([[1, 5, "a"]], 3), ([[1, 5, "a"]], "0"), ([[1.5, 5, "a"]], 0), ({"a": 1}, 0),
    ],
)  # fmt: skip
def test_edits_from_outside_are_refused_in_words(edits, lane):
    with pytest.raises(ValueError, match=r"\w+ \w+ \w+"):
        touch_asked(edits, lane)


def test_lists_come_back(trace):
    touch = Touch(1, (Edit(3, 5, " a"), Edit(4, 6)))
    assert touch_asked(json.loads(json.dumps(touch.as_lists())), 1) == touch
    assert touch_asked(None) is None
    with pytest.raises(ValueError, match="has 1 lanes"):
        touched_change(1, ("dlm",), CONFIG, None, False)


@pytest.mark.parametrize("bad", [{"edits": 3}, {"edits": [[0, 1]]}, {"edits": [[-1, 1, "x"]]}, {"values": "AA=="}])
def test_a_frame_whose_edits_or_values_do_not_fit_is_refused(trace, bad):
    broken = json.loads(trace_text(trace))
    broken["lanes"][0]["frames"][0] |= bad
    with pytest.raises(ValueError, match="frame 0"):
        check_trace(broken)
