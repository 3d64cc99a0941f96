"""Cuts: decide which weights of one group of linears go, and write the zeros.

A cut takes (group, statistic, config) and returns (masks by name, True = pruned; the damping it needed, or None).
Statistics come in ready (sinkprune.pruning.statistics); scores are float32, weights keep the model's dtype.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from sinkprune.pruning.decisions import smallest_n_of_m, smallest_of_rows, smallest_of_tensor
from sinkprune.pruning.linears import Group
from sinkprune.pruning.sparsegpt import invert_hessian, sparsegpt

if TYPE_CHECKING:
    from sinkprune.pruning.settings import PruneConfig

Masks = dict[str, torch.Tensor]


def cut_by_magnitude(group: Group, statistic: None, config: PruneConfig) -> tuple[Masks, None]:
    """The smallest |W| of each linear. statistic: not read."""
    return _cut_smallest(group, lambda weight: weight, smallest_of_tensor, config)


def cut_by_wanda(group: Group, input_norm: torch.Tensor, config: PruneConfig) -> tuple[Masks, None]:
    """The smallest |W| x input norm of each output row (Wanda; paper eq. 1). input_norm: (in,), any positive multiple of it."""
    return _cut_smallest(group, lambda weight: weight * input_norm, smallest_of_rows, config)


def cut_by_sparsegpt(group: Group, hessian: torch.Tensor, config: PruneConfig) -> tuple[Masks, float]:
    """SparseGPT with the Hessian (in, in) of the group's input.

    Rows do not depend on each other, so linears with the same input are solved stacked.
    """
    hinv_chol, dead, damping = invert_hessian(hessian)
    rows = [linear.out_features for linear in group.values()]
    stacked = torch.cat([linear.weight.float() for linear in group.values()])
    weight, mask = sparsegpt(stacked, hinv_chol, dead, config.sparsity, config.pattern, rows)
    for linear, piece in zip(group.values(), weight.split(rows), strict=True):
        linear.weight.copy_(piece)
    return dict(zip(group, mask.split(rows), strict=True)), damping


def _cut_smallest(
    group: Group,
    score: Callable[[torch.Tensor], torch.Tensor],
    smallest: Callable[[torch.Tensor, float], torch.Tensor],
    config: PruneConfig,
) -> tuple[Masks, None]:
    """score: of |W|, (out, in) -> (out, in). smallest: marks a share of the scores; a pattern takes its place."""
    masks = {}
    for name, linear in group.items():
        scores = score(linear.weight.float().abs())
        masks[name] = smallest_n_of_m(scores, *config.pattern) if config.pattern else smallest(scores, config.sparsity)
        _zero(linear.weight, masks[name])
    return masks, None


def _zero(weight: torch.Tensor, mask: torch.Tensor) -> None:
    """Write the zeros. A product takes a third of masked_fill_'s time on a CPU; adding 0 makes -0 a 0. Weights are finite here."""
    weight.mul_(~mask).add_(0)
