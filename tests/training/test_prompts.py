"""The prompts: different, reproducible, and the held-out ones really held out."""

import random
import re

from sinkprune.training.prompts import WORDS, fill, held_out_prompts, training_prompts


def test_training_prompts_are_different_and_reproducible():
    prompts = training_prompts(3000)
    assert len(set(prompts)) == 3000
    assert prompts == training_prompts(3000)
    assert prompts != training_prompts(3000, seed=1)


def test_no_slot_stays_open_and_articles_fit():
    for prompt in training_prompts(3000):
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
