"""Relevance and variety of answers, in numbers."""

import pytest
import torch

from sinkprune.lab.relevance import (
    distinct_words,
    doubled_words,
    mean_reciprocal_rank,
    relevance_numbers,
    shared_4grams,
    stock_phrases,
    text_numbers,
    top1,
)

LOG_P = torch.tensor([[-1.0, -2.0, -3.0], [-4.0, -5.0, -6.0], [-7.0, -8.0, -9.0]])


def test_the_rank_of_the_own_prompt():
    assert top1(LOG_P) == pytest.approx(1 / 3)
    assert mean_reciprocal_rank(LOG_P) == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)


def test_an_answer_that_fits_every_prompt_alike_is_no_hit():
    assert top1(torch.zeros(4, 4)) == 0
    assert mean_reciprocal_rank(torch.zeros(4, 4)) == pytest.approx(1 / 4)


def test_the_judges_nats_are_those_of_all_tokens_together():
    numbers = relevance_numbers(LOG_P, torch.tensor([1, 2, 3]))
    assert numbers["judge_nats"] == pytest.approx((1 + 5 + 9) / 6)
    assert numbers["top1"] == pytest.approx(1 / 3)


def test_words_are_counted_once_over_all_texts():
    texts = ["The fox, the FOX!", "A fox\u2019s den isn't the den."]
    assert distinct_words(texts) == 6
    assert distinct_words(texts, first=2) == 4


def test_a_4gram_counts_when_it_stands_in_another_text():
    assert shared_4grams(["one two three four", "one two three four five"]) == pytest.approx(2 / 3)
    assert shared_4grams(["one two three four one two three four"]) == 0
    assert shared_4grams(["short", ""]) == 0


def test_doubled_words_are_counted_by_text():
    assert doubled_words(["a a lamp and the the sea", "had it, had it", "The the"]) == 2


def test_stock_phrases_are_counted_in_a_thousand_words():
    assert stock_phrases(["It is a symbol of " + "hope " * 5]) == pytest.approx(100)
    assert stock_phrases(["Bees dance."]) == stock_phrases([]) == 0


def test_all_numbers_of_texts_come_together():
    assert set(text_numbers(["a b"])) == {"words", "words_in_first_30", "shared_4grams", "doubled", "stock_phrases"}
