"""From column mass to attention sinks: pure functions of a mass tensor whose last dimension is the token position.

Two rules, each with the mass for which it was written. "reference" is the official code's, on `total_mass`: mean plus two standard
deviations, made soft by a steep sigmoid. Alpha 5 on such numbers is nearly a 0/1 step. "paper" is eq. 10-12, on `paper_mass`: a position
against the mean of all others.
"""

from __future__ import annotations

import torch

REFERENCE_ALPHA = 5.0
REFERENCE_STDS = 2.0


def live_heads(column_mass: torch.Tensor) -> torch.Tensor:
    """(…, H) bool from mass (…, H, N): False for heads that a structured cut removed. Their mass is 0; any other head's sum is not."""
    return column_mass.sum(dim=-1) > 0


def total_mass(column_mass: torch.Tensor) -> torch.Tensor:
    """(B, N) summed over layers and heads, from (L, B, H, N): eq. 9 without the 1/S of eq. 8, so the mean is all layers' heads."""
    return column_mass.sum(dim=(0, 2))


def paper_mass(column_mass: torch.Tensor) -> torch.Tensor:
    """(B, S) mean over the S queries, summed over layers and heads (eq. 8 and 9), from (L, B, H, S); the mean is layers x heads / S."""
    return total_mass(column_mass) / column_mass.shape[-1]


def reference_scores(mass: torch.Tensor, alpha: float = REFERENCE_ALPHA, stds: float = REFERENCE_STDS) -> torch.Tensor:
    """(…, N) in 0..1: sigmoid(alpha (mass - (mean + stds * std))), mean and population std over each row (official code)."""
    threshold = mass.mean(dim=-1, keepdim=True) + stds * mass.std(dim=-1, correction=0, keepdim=True)
    return torch.sigmoid(alpha * (mass - threshold))


def paper_scores(mass: torch.Tensor, epsilon: float = 0.0) -> torch.Tensor:
    """(…, N) in 0..1: sigmoid(mass - mean of the others - epsilon) (eq. 11); eq. 12 is their mean over noise levels."""
    return torch.sigmoid(_above_others(mass) - epsilon)


def sink_set(mass: torch.Tensor, epsilon: float) -> torch.Tensor:
    """(…, N) bool: a position is a sink where its mass exceeds the mean of all others by more than epsilon (eq. 10)."""
    return _above_others(mass) > epsilon


def reference_sink_set(mass: torch.Tensor, stds: float = REFERENCE_STDS) -> torch.Tensor:
    """(…, N) bool: mass above mean + stds * population std, the hard form of the reference rule."""
    return mass > mass.mean(dim=-1, keepdim=True) + stds * mass.std(dim=-1, correction=0, keepdim=True)


def _above_others(mass: torch.Tensor) -> torch.Tensor:
    positions = mass.shape[-1]
    if positions < 2:
        raise ValueError("a sink is a position among others: the mass needs at least 2 positions")
    others = (mass.sum(dim=-1, keepdim=True) - mass) / (positions - 1)
    return mass - others
