"""Tiny models of every architecture, with plain and shifted logits, and a prompt for them."""

import torch

from tests.tiny_models import VOCABULARY, make_tiny

FAMILIES = ("llama", "qwen2", "qwen3")
MODELS = {(family, shift): make_tiny(family, shift_logits=shift) for family in FAMILIES for shift in (False, True)}
LLAMA = MODELS["llama", False]


def some_prompt(length=6, seed=0):
    return torch.randint(4, VOCABULARY, (1, length), generator=torch.Generator().manual_seed(seed))
