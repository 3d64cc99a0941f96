"""Classifier-free guidance without training, as LLaDA does it (arXiv 2502.09992; "unsupervised" in arXiv 2410.18514).

A second forward reads the canvas with MASK in place of all that was given. What the given text adds to the logits is then exaggerated.
"""

from __future__ import annotations

import torch

MAX_SCALE = 10.0


def check_scale(scale: float) -> None:
    """Raise ValueError for a `cfg_scale` out of bounds."""
    if not 0.0 <= scale <= MAX_SCALE:
        raise ValueError(f"cfg_scale must lie between 0 (no guidance) and {MAX_SCALE:.0f}, not {scale}")


def guided(conditional: torch.Tensor, unconditional: torch.Tensor, scale: float) -> torch.Tensor:
    """Logits of the same shape: unconditional + (scale + 1) (conditional - unconditional); scale 0 gives the conditional ones."""
    return unconditional + (scale + 1) * (conditional - unconditional)


def without_given(canvas: torch.Tensor, given: torch.Tensor, mask_token_id: int) -> torch.Tensor:
    """The canvas (…, N) that the unconditional forward reads: MASK at the `given` positions (N,) bool."""
    return canvas.masked_fill(given, mask_token_id)
