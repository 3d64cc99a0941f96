"""Cuts: decide which weights of one group of linears go, and write the zeros.

A cut takes (group, statistic, config) and returns (masks by name, True = pruned; the damping it needed, or None).
A cut gives a linear a new weight and never writes into the old one, which may be the dense model's too.
Statistics come in ready (sinkprune.pruning.statistics); scores are float32, weights keep the model's dtype.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import nn

from sinkprune.pruning.decisions import smallest_n_of_m, smallest_of_rows, smallest_of_tensor
from sinkprune.pruning.linears import Group
from sinkprune.pruning.sparsegpt import invert_hessian, sparsegpt

if TYPE_CHECKING:
    from sinkprune.pruning.settings import PruneConfig

Masks = dict[str, torch.Tensor]


def cut_by_magnitude(group: Group, statistic: None, config: PruneConfig) -> tuple[Masks, None]:
    """The smallest |W| of each linear. statistic: not read."""
    return _cut(group, lambda weight: _smallest(weight.float().abs(), smallest_of_tensor, config))


def cut_by_wanda(group: Group, input_norm: torch.Tensor, config: PruneConfig) -> tuple[Masks, None]:
    """The smallest |W| x input norm of each output row (Wanda; paper eq. 1). input_norm: (in,), any positive multiple of it."""
    return _cut(group, lambda weight: wanda_decision(weight, input_norm, config)[1])


def wanda_decision(
    weight: torch.Tensor, input_norm: torch.Tensor, config: PruneConfig
) -> tuple[torch.Tensor, torch.Tensor]:
    """(scores |W| x input norm, mask), both (out, in): what Wanda would cut from one weight. Nothing is changed."""
    scores = weight.float().abs() * input_norm
    return scores, _smallest(scores, smallest_of_rows, config)


def cut_by_sparsegpt(group: Group, hessian: torch.Tensor, config: PruneConfig) -> tuple[Masks, float]:
    """SparseGPT with the Hessian (in, in) of the group's input.

    Rows do not depend on each other, so linears with the same input are solved stacked.
    """
    hinv_chol, dead, damping = invert_hessian(hessian)
    rows = [linear.out_features for linear in group.values()]
    stacked = torch.cat([linear.weight.float() for linear in group.values()])
    weight, mask = sparsegpt(stacked, hinv_chol, dead, config.sparsity, config.pattern, rows)
    for linear, piece in zip(group.values(), weight.split(rows), strict=True):
        _replace(linear, piece.to(linear.weight.dtype))
    return dict(zip(group, mask.split(rows), strict=True)), damping


def _smallest(
    scores: torch.Tensor, smallest: Callable[[torch.Tensor, float], torch.Tensor], config: PruneConfig
) -> torch.Tensor:
    """The mask of the smallest scores (out, in). smallest: marks a share of the scores; a pattern takes its place."""
    return smallest_n_of_m(scores, *config.pattern) if config.pattern else smallest(scores, config.sparsity)


def _cut(group: Group, decide: Callable[[torch.Tensor], torch.Tensor]) -> tuple[Masks, None]:
    """Zero what `decide` marks in each weight (out, in)."""
    masks = {name: decide(linear.weight) for name, linear in group.items()}
    for name, linear in group.items():
        _replace(linear, _with_zeros(linear.weight, masks[name]))
    return masks, None


def _with_zeros(weight: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """A product takes a third of masked_fill's time on a CPU; adding 0 makes -0 a 0. Weights are finite here."""
    return (weight * ~mask).add_(0)


def _replace(linear: nn.Linear, weight: torch.Tensor) -> None:
    linear.weight = nn.Parameter(weight, requires_grad=False)
