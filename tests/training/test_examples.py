"""From answers to examples: repetition out, cuts at sentence ends, canvases filled with end tokens."""

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from sinkprune.training.base import END_TOKEN_ID
from sinkprune.training.examples import (
    CANVASES,
    LARGER,
    LENGTH,
    OWN,
    SURPRISE,
    as_arrays,
    cuts,
    examples_of_file,
    joined,
    make_examples,
    thinned,
)
from sinkprune.training.teacher import PAD

BUNDLED = Path(__file__).resolve().parents[2] / "assets" / "bundled"


def test_a_finished_answer_fits_every_larger_canvas_and_is_cut_for_smaller_ones():
    assert cuts(list(range(70)), finished=True, ends=[50, 70]) == {64: 50, 96: 70, 128: 70}


def test_an_unfinished_answer_is_cut_at_the_last_sentence_end_that_fills_half_of_the_canvas():
    assert cuts(list(range(160)), finished=False, ends=[20, 60, 63, 90, 150]) == {64: 63, 96: 90, 128: 90}


def test_a_length_stands_on_its_smallest_canvas_and_some_on_a_larger_one():
    random.seed(0)
    many = [make_examples([1, 2], list(range(100, 140)), True, [40]) for _ in range(500)]
    canvases = [[total - start for _, start, _, total in made] for made in many]
    assert {smallest for smallest, *_ in canvases} == {64}
    assert {larger for _, *rest in canvases for larger in rest} == set(CANVASES[1:])
    assert sum(map(len, canvases)) / 500 - 1 == pytest.approx(LARGER, abs=0.05)


@given(
    length=st.integers(1, 160),
    finished=st.booleans(),
    ends=st.lists(st.integers(1, 160), max_size=8),
    prompt=st.integers(1, 32),
)
def test_examples_fit_their_canvas(length, finished, ends, prompt):
    answer = list(range(100, 100 + length))
    ends = sorted({end for end in ends if end <= length})
    for ids, start, end, total in make_examples(list(range(50, 50 + prompt)), answer, finished, ends):
        assert len(ids) == LENGTH
        assert total - start in CANVASES
        assert start == prompt < end < total <= LENGTH
        assert ids[start:end] == answer[: end - start]
        assert set(ids[end:]) == {END_TOKEN_ID}
        assert (finished and end - start == length in ends) or (
            end - start in ends and end - start >= (total - start) // 2
        )


@pytest.mark.parametrize(("prompt", "answer"), [(33, list(range(60))), (5, [7, 8, 9] * 20)])
def test_long_prompts_and_repetition_are_dropped(prompt, answer):
    assert make_examples([1] * prompt, answer, True, [len(answer)]) == []


def test_answers_that_say_little_are_dropped_and_those_that_break_off_count_as_unfinished():
    assert make_examples([1, 2], list(range(100, 111)), True, [11]) == []
    assert next(end - start for _, start, end, _ in make_examples([1], list(range(100, 160)), True, [50])) == 50


def test_examples_stand_only_once():
    part = as_arrays(make_examples([1, 2], list(range(100, 200)), True, [40, 100]))
    both = joined([part, part])
    assert len(both["ids"]) == len(part["ids"])
    assert {name: values.tolist() for name, values in both.items()} == {name: v.tolist() for name, v in part.items()}


def test_answers_of_the_student_that_break_off_or_contradict_themselves_are_dropped(tmp_path):
    closing = AutoTokenizer.from_pretrained(BUNDLED).encode(".", add_special_tokens=False)[0]
    words = list(range(1000, 1040))
    good = [*words, closing, END_TOKEN_ID] + [PAD] * 22
    cut, no_end = [*words, END_TOKEN_ID] + [PAD] * 23, list(range(1000, 1064))
    steps = np.tile(np.arange(64, dtype=np.uint8) % 32, (4, 1))
    np.savez(
        tmp_path / f"{OWN}-0.npz",
        R=np.array([good, good, cut, no_end], np.uint16),
        steps=steps,
        surprise=np.array([SURPRISE - 1, SURPRISE + 1, 0, 0], np.float32),
        first=np.ones(4, bool),
    )
    (tmp_path / f"{OWN}-0.txt").write_text("Tell me about zinc.\nPraise copper.\nPraise tin.\nPraise iron.\n")
    made = examples_of_file((tmp_path / f"{OWN}-0.txt", BUNDLED))
    assert (made["total"] - made["prompt"]).tolist() == [64, 96]
    assert (made["end"] - made["prompt"]).tolist() == [41, 41]
    for ids, prompt, row in zip(made["ids"], made["prompt"], made["steps"], strict=True):
        assert ids[prompt : prompt + 41].tolist() == [*words, closing]
        assert row[:prompt].tolist() == [0] * prompt
        assert row[prompt : prompt + 64].tolist() == steps[0].tolist()
        assert not row[prompt + 64 :].any()


def test_an_answer_of_the_teacher_keeps_its_tokens_and_has_no_steps(tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(BUNDLED)
    text = "Zinc is a grey metal that people put on iron so that rain and air cannot reach it, and the iron does not rust for years."
    ids = tokenizer.encode(text, add_special_tokens=False)
    np.savez(tmp_path / "answers-0.npz", R=np.array([[*ids, END_TOKEN_ID] + [PAD] * (111 - len(ids))], np.uint16))
    (tmp_path / "answers-0.txt").write_text("Tell me about zinc.\n")
    made = examples_of_file((tmp_path / "answers-0.txt", BUNDLED))
    assert set(made) == {"ids", "prompt", "end", "total"}
    row, prompt, end = made["ids"][0], made["prompt"][0], made["end"][0]
    assert tokenizer.decode(row[:prompt]) == "Tell me about zinc<|im_start|>"
    assert row[prompt:end].tolist() == ids


def test_an_answer_of_the_student_stands_on_two_canvases():
    made = [make_examples([1, 2], list(range(100, 140)), True, [40], (64, 96), 1.0) for _ in range(50)]
    for examples in made:
        assert sorted((end - start, total - start) for _, start, end, total in examples) == [(40, 64), (40, 96)]
    cut = make_examples([1, 2], list(range(100, 164)), False, [40], (64, 96), 1.0)
    assert [(end - start, total - start) for _, start, end, total in cut] == [(40, 64)]


def test_of_answers_that_begin_alike_a_share_is_kept():
    many = [make_examples([1, 2], [9, 9, 8, 7, *range(100 + i, 120 + i)], True, [24], (64,)) for i in range(100)]
    other = [make_examples([1, 2], list(range(200 + i, 220 + i)), True, [20], (64,)) for i in range(100)]
    arrays = as_arrays([example for made in many + other for example in made])
    kept = thinned(arrays, 0.05)
    alike = (kept["ids"][:, 2:6] == [9, 9, 8, 7]).all(1)
    assert alike.sum() == 10
    assert len(alike) == 110
