"""Blanks: an answer with gaps, which a diffusion language model fills with the words on both sides in sight."""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch

from sinkprune.decoding.checks import is_whole
from sinkprune.models import LoadedModel
from sinkprune.models.chat import encode_text, whole_characters

MAX_CHARACTERS = 1000
MOST_TOKENS = 8
BLANK = re.compile(r"_{3,}")


@dataclass(frozen=True)
class Blanks:
    """text: the answer; three underscores or more are one blank. tokens: how many tokens fill each blank, 1 to 8."""

    text: str
    tokens: int = 2

    def __post_init__(self) -> None:
        if not isinstance(self.text, str) or not BLANK.search(self.text):
            raise ValueError("the text has no blank: put ___ (three underscores) where words are missing")
        if len(self.text) > MAX_CHARACTERS:
            raise ValueError(f"the text has {len(self.text)} characters: shorten it to at most {MAX_CHARACTERS}")
        if not whole_characters(self.text):
            raise ValueError("the text holds half a character (a lone surrogate): type it again")
        if not is_whole(self.tokens, 1, MOST_TOKENS):
            raise ValueError(f"a blank takes from 1 to {MOST_TOKENS} tokens, not {str(self.tokens)[:40]}")


def answer_with_blanks(loaded: LoadedModel, blanks: Blanks, room: int) -> torch.Tensor:
    """(1, A) token ids of the answer, MASK in its blanks and an end token after it. Raises ValueError where A is more than `room`.

    A space before a blank belongs to the blank: models that read words with their leading space write it themselves.
    """
    ids: list[int] = []
    for number, piece in enumerate(pieces := BLANK.split(blanks.text)):
        known = piece.rstrip() if number < len(pieces) - 1 else piece
        ids += encode_text(loaded.tokenizer, known) if known else []
        if number < len(pieces) - 1:
            ids += [loaded.spec.mask_token_id] * blanks.tokens
    ids += sorted(loaded.spec.end_token_ids)[:1]
    if len(ids) > room:
        raise ValueError(
            f"the text with its blanks takes {len(ids)} tokens, and there is room for {max(0, room)}: shorten it"
        )
    return torch.tensor([ids])
