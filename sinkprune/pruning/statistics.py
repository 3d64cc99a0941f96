"""Statistics: what a linear's inputs look like over the calibration text. Pure functions of one batch; the caller adds batches up.

`x` is (B, T, in): B sequences of T tokens. `weight` is (B, T) or None: the sink-aware methods' per-token weight (paper eq. 13),
which scales the token's inputs (eq. 14). Everything is float32, whatever the model's dtype.
"""

from __future__ import annotations

import torch


def squared_norms(x: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
    """Squared L2 norm over the tokens of each sequence, per input feature: (B, in)."""
    squares = x.float().square()
    if weight is None:
        return squares.sum(1)
    return (weight.to(squares).square().unsqueeze(1) @ squares).squeeze(1)


def sum_of_squared_norms(x: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
    """Wanda's statistic before the mean over sequences: (in,)."""
    return squared_norms(x, weight).sum(0)


def sum_of_norms(x: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
    """Sink-Wanda's statistic: L2 norms of the sequences, added up without squares: (in,)."""
    return squared_norms(x, weight).sqrt().sum(0)


def gram(x: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
    """SparseGPT's statistic: sum over all tokens of x x^T, (in, in). The Hessian is 2 / sequences times the sum over batches."""
    x = x.float()
    if weight is not None:
        x = x * weight.to(x).unsqueeze(-1)
    x = x.flatten(0, 1)
    return x.T @ x
