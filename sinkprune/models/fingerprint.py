"""A hash of weights: tells whether what was recorded or measured belongs to this very model."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from sinkprune.models.spec import LoadedModel


def weights_fingerprint(loaded: LoadedModel) -> str:
    """A short hash of all weights, as float32 whatever they are loaded as: tells whether a table was measured on this very model."""
    digest = hashlib.sha256()
    for name, parameter in loaded.model.named_parameters():
        digest.update(name.encode())
        digest.update(parameter.detach().float().cpu().contiguous().view(torch.uint8).numpy())
    return digest.hexdigest()[:16]
