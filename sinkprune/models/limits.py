"""Bounds that every room keeps: seeds, and which texts a model can read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from sinkprune.models.spec import LoadedModel

SEEDS = 2**31  # seeds lie below it, on every page, command and function: each generator in use can take them


def check_seed(seed: object) -> None:
    """Raise ValueError for a seed that is no whole number from 0 to 2**31 - 1."""
    if type(seed) is not int or not 0 <= seed < SEEDS:
        raise ValueError(f"seed must be a whole number from 0 to {SEEDS - 1}, not {seed}")


def check_length(loaded: LoadedModel, length: int, what: str) -> None:
    """Raise ValueError where `length` tokens are more than the positions that the model was built for."""
    limit = loaded.model.config.max_position_embeddings
    if length > limit:
        raise ValueError(
            f"{what} has {length} tokens, and {loaded.spec.name!r} reads {limit} at most: use a shorter one"
        )


def check_ids(loaded: LoadedModel, ids: torch.Tensor, what: str) -> None:
    """Raise ValueError where token ids, at least one, are not of the model's vocabulary."""
    last = loaded.model.config.vocab_size - 1
    if ids.numel() and (ids.min() < 0 or ids.max() > last):
        raise ValueError(f"{what} must lie in 0..{last}: use this model's own tokenizer")
