"""The prompts the teacher answers, 64 held-out prompts that training never sees, and 128 validation prompts.

Half of the prompts come from templates filled with words. The teacher writes the other half, as a user's turn that begins with one of our
stems. The held-out prompts were written by hand: no template can produce one, and a prompt that shares its topic with one is dropped. The
validation prompts were written by hand too. Choices are made on them: which of several tries, and how sure the model may be. Their topics
are not kept out of training.
"""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

WORDS = json.loads(Path(__file__).with_name("prompt_words.json").read_text())
HELD_OUT = Path(__file__).with_name("held_out_prompts.txt")
VALIDATION = Path(__file__).with_name("validation_prompts.txt")
_SLOT = re.compile(r"\{(\w+?)\d?\}")
_PLAIN = re.compile(r"[A-Za-z][A-Za-z ,'’;:\-]{11,118}[.?!]")
# What a prompt cannot do alone (a text, a table), code and links, and what a tiny teacher cannot write.
_UNWANTED = re.compile(r"\b(" + "|".join(WORDS["unwanted"]) + r")\b", re.IGNORECASE)
_FORM = {word.removesuffix("s") for word in WORDS["form"]}  # words that say how to answer, not what about


def fill(template: str, rng: random.Random) -> str:
    """Replace every `{list}` slot by a random entry of that word list; `{list2}` draws from the same list again."""
    text = _SLOT.sub(lambda slot: rng.choice(WORDS[slot.group(1)]), template)
    text = re.sub(r"\b([Aa]) (?!uni)(?=[aeio]|un|umb|honest)", r"\1n ", text)
    return text[0].upper() + text[1:]


def template_prompts(count: int, seed: int = 0) -> list[str]:
    """`count` different prompts; templates are drawn by weight. Raises ValueError when the lists cannot give that many."""
    rng = random.Random(seed)
    templates, weights = zip(*WORDS["templates"], strict=True)
    prompts: dict[str, None] = {}
    for _ in range(20 * count):
        prompts[fill(rng.choices(templates, weights)[0], rng)] = None
        if len(prompts) == count:
            return list(prompts)
    raise ValueError(f"the templates gave only {len(prompts)} different prompts, not {count}: add words or templates")


def draw_stems(count: int, seed: int = 0) -> list[str]:
    """`count` beginnings of prompts, drawn with repetition."""
    return random.Random(seed).choices(WORDS["stems"], k=count)


def usable(prompt: str) -> bool:
    """Whether a prompt that the teacher wrote is one short plain sentence that can be answered as it stands."""
    return bool(_PLAIN.fullmatch(prompt)) and not _UNWANTED.search(prompt) and len(prompt.split()) >= 3


def held_out_prompts() -> list[str]:
    """The 64 prompts that training never saw."""
    return HELD_OUT.read_text().splitlines()


def validation_prompts() -> list[str]:
    """The 128 prompts that choices are made on."""
    return VALIDATION.read_text().splitlines()


def topic_words(prompt: str) -> set[str]:
    """The words that say what a prompt is about, in the singular."""
    words = re.findall(r"[a-z]{3,}", prompt.lower())
    return {word.removesuffix("s") for word in words} - _FORM


def shares_a_topic(prompt: str, held_out: list[set[str]]) -> bool:
    """Whether a prompt has two topic words of one held-out prompt, or the only one. held_out: the topic words of each."""
    words = topic_words(prompt)
    return any(len(words & topic) >= min(2, len(topic)) for topic in held_out)
