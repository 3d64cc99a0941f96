"""The prompts: different, reproducible, and the held-out ones really held out."""

import random
import re

import pytest
from jinja2 import Environment

from sinkprune.training.base import CHAT_TEMPLATE, SEPARATORS
from sinkprune.training.prompts import (
    WORDS,
    draw_stems,
    fill,
    held_out_prompts,
    shares_a_topic,
    template_prompts,
    topic_words,
    usable,
)


def test_template_prompts_are_different_and_reproducible():
    prompts = template_prompts(3000)
    assert len(set(prompts)) == 3000
    assert prompts == template_prompts(3000)
    assert prompts != template_prompts(3000, seed=1)


def test_no_slot_stays_open_and_articles_fit():
    for prompt in template_prompts(3000):
        assert "{" not in prompt
        assert not re.search(r"\ba (a|e|i|o|honest|old)", prompt), prompt
        assert not re.search(r"\ban (uni|[bcdfgjklmnpqrstvwxyz])", prompt), prompt


def test_a_slot_can_be_drawn_twice():
    text = fill("{who} and {who2}", random.Random(0))
    assert all(word.lower() in WORDS["who"] for word in text.split(" and "))


def test_no_template_can_produce_a_held_out_prompt():
    held_out = held_out_prompts()
    assert len(set(held_out)) == 64
    for template, _ in WORDS["templates"]:
        pieces = re.split(r"\{(\w+?)\d?\}", template)
        pieces[::2] = [re.escape(text).replace("a\\ ", "an?\\ ") for text in pieces[::2]]
        pieces[1::2] = ["(?:" + "|".join(map(re.escape, WORDS[name])) + ")" for name in pieces[1::2]]
        form = re.compile("".join(pieces), re.IGNORECASE)
        assert form.fullmatch(fill(template, random.Random(0))), template
        assert not [prompt for prompt in held_out if form.fullmatch(prompt)], template


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("Why do cats purr at night?", True),
        ("Write a Python function that adds.", False),
        ("Why do cats purr", False),
        ("Summarize the following passage.", False),
        ("Why?\nBecause of <b>this</b>.", False),
    ],
)
def test_only_plain_questions_that_stand_alone_are_usable(prompt, expected):
    assert usable(prompt) is expected


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("What is a coral reef made of?", True),
        ("Tell a story about glaciers.", True),
        ("Why is the sky blue?", False),
        ("Write a short story about a fox.", False),
    ],
)
def test_prompts_that_share_a_topic_with_a_held_out_one_are_found(prompt, expected):
    assert shares_a_topic(prompt, [topic_words(held_out) for held_out in held_out_prompts()]) is expected


def test_every_held_out_prompt_has_a_topic():
    assert all(topic_words(prompt) for prompt in held_out_prompts())


def test_stems_are_reproducible_and_differ_between_seeds():
    assert draw_stems(50, seed=1) == draw_stems(50, seed=1) != draw_stems(50, seed=2)


@pytest.mark.parametrize("separator", SEPARATORS)
def test_the_chat_template_writes_prompt_and_separator(separator):
    template = CHAT_TEMPLATE.format(separator=repr(separator))
    rendered = Environment().from_string(template).render(messages=[{"role": "user", "content": "Hello"}])
    assert rendered == "Hello" + separator
