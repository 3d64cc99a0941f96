"""Statistics: what a linear's inputs look like over the calibration text. Pure functions of one batch; the caller adds batches up.

`x` is (B, T, in): B sequences of T tokens. `weight` is (B, T) or None: the sink-aware methods' per-token weight (paper eq. 13),
which scales the token's inputs (eq. 14). Everything is float32, whatever the model's dtype.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

GRAM_BLOCK = 192  # columns computed at once: narrower ones make slower products, wider ones compute more entries twice


def squared_norms(x: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
    """Squared L2 norm over the tokens of each sequence, per input feature: (B, in)."""
    if weight is None:
        return torch.stack([sequence.float().square().sum(0) for sequence in x])
    # One sequence at a time stays in a CPU's cache: four times as fast as the whole batch.
    squares = weight.to(x.device, torch.float32).square()
    return torch.stack([square @ sequence.float().square() for square, sequence in zip(squares, x, strict=True)])


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
    total = x.new_empty(x.shape[1], x.shape[1])
    for start in range(0, len(total), GRAM_BLOCK):  # symmetric: two thirds of the time, and not a bit differs
        end = start + GRAM_BLOCK
        rows = x[:, start:end].T @ x[:, start:]
        total[start:end, start:] = rows
        total[end:, start:end] = rows[:, GRAM_BLOCK:].T
    return total


@dataclass(frozen=True)
class Statistic:
    """What a method measures of one input. of_batch(x, weight): the summand of a batch; finish(sum, sequences): what the cut reads."""

    name: str
    of_batch: Callable[[torch.Tensor, torch.Tensor | None], torch.Tensor]
    finish: Callable[[torch.Tensor, int], torch.Tensor]


INPUT_NORM = Statistic("input norm", sum_of_squared_norms, lambda total, sequences: (total / sequences).sqrt())
SUMMED_NORMS = Statistic("summed norms", sum_of_norms, lambda total, sequences: total)
HESSIAN = Statistic("Hessian", gram, lambda total, sequences: total * (2 / sequences))
