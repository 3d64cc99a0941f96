"""Tiny models of every architecture, with plain and shifted logits, and a prompt for them."""

import dataclasses

import torch

from tests.tiny_models import VOCABULARY, make_tiny

FAMILIES = ("llama", "qwen2", "qwen3")
MODELS = {(family, shift): make_tiny(family, shift_logits=shift) for family in FAMILIES for shift in (False, True)}
LLAMA = MODELS["llama", False]


def some_prompt(length=6, seed=0):
    return torch.randint(4, VOCABULARY, (1, length), generator=torch.Generator().manual_seed(seed))


def without_end(loaded):
    return dataclasses.replace(loaded, spec=dataclasses.replace(loaded.spec, eos_token_id=None))


def kept_of_blocks(steps):
    """Of each block that read the sparse cache: the columns outside it that each layer kept."""
    found = {}
    for step in steps:
        if step.rows != (0, step.canvas.shape[1]) and step.block not in found:
            outside = step.kept.clone()
            outside[:, slice(*step.rows)] = False
            found[step.block] = [columns.nonzero()[:, 0].tolist() for columns in outside]
    return list(found.values())
