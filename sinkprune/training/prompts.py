"""The prompts the teacher answers: templates filled with words, drawn without repetition; and 64 held-out prompts.

The held-out prompts were written by hand; no template can produce any of them.
"""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

WORDS = json.loads(Path(__file__).with_name("prompt_words.json").read_text())
HELD_OUT = Path(__file__).with_name("held_out_prompts.txt")
_SLOT = re.compile(r"\{(\w+?)\d?\}")


def fill(template: str, rng: random.Random) -> str:
    """Replace every `{list}` slot by a random entry of that word list; `{list2}` draws from the same list again."""
    text = _SLOT.sub(lambda slot: rng.choice(WORDS[slot.group(1)]), template)
    text = re.sub(r"\b([Aa]) (?!uni)(?=[aeio]|un|umb|honest)", r"\1n ", text)
    return text[0].upper() + text[1:]


def training_prompts(count: int, seed: int = 0) -> list[str]:
    """`count` different prompts; templates are drawn by weight. Raises ValueError when the lists cannot give that many."""
    rng = random.Random(seed)
    templates, weights = zip(*WORDS["templates"], strict=True)
    prompts: dict[str, None] = {}
    for _ in range(20 * count):
        prompts[fill(rng.choices(templates, weights)[0], rng)] = None
        if len(prompts) == count:
            return list(prompts)
    raise ValueError(f"the templates gave only {len(prompts)} different prompts, not {count}: add words or templates")


def held_out_prompts() -> list[str]:
    """The 64 prompts that training never saw."""
    return HELD_OUT.read_text().splitlines()
