"""From answers to examples: repetition out, cuts at sentence ends, canvases filled with end tokens."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinkprune.training.base import END_TOKEN_ID
from sinkprune.training.examples import CANVASES, LENGTH, cuts, distinct_4grams, make_examples, sentence_ends


def test_repetition_is_measured():
    assert distinct_4grams(list(range(50))) == 1.0
    assert distinct_4grams([1, 2] * 25) < 0.1
    assert distinct_4grams([1, 2, 3]) == 1.0


def test_a_list_number_ends_no_sentence():
    closes, digits = np.zeros(10, bool), np.zeros(10, bool)
    closes[5], digits[7] = True, True
    assert sentence_ends([1, 5, 7, 5, 5], closes, digits) == [2, 5]


def test_a_finished_answer_stands_on_the_smallest_canvas_that_holds_it():
    assert cuts(list(range(70)), finished=True, ends=[30, 70]) == {96: 70}


def test_an_unfinished_answer_is_cut_at_the_last_sentence_end_before_each_canvas_ends():
    assert cuts(list(range(160)), finished=False, ends=[20, 60, 63, 90, 150]) == {64: 63, 96: 90, 160: 150}


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
        assert (finished and end - start == length) or end - start in ends


@pytest.mark.parametrize(("prompt", "answer"), [(33, list(range(60))), (5, [7, 8, 9] * 20)])
def test_long_prompts_and_repetition_are_dropped(prompt, answer):
    assert make_examples([1] * prompt, answer, True, [len(answer)]) == []
