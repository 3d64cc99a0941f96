"""Cuts: decide which weights of one group of linears go, and write the zeros. Each returns the masks by name, True = pruned.

Statistics come in ready (sinkprune.pruning.statistics); scores are float32, weights keep the model's dtype.
"""

from __future__ import annotations

import torch

from sinkprune.pruning.decisions import smallest_n_of_m, smallest_of_rows, smallest_of_tensor
from sinkprune.pruning.linears import Group
from sinkprune.pruning.settings import PruneConfig
from sinkprune.pruning.sparsegpt import invert_hessian, sparsegpt

Masks = dict[str, torch.Tensor]


def cut_by_magnitude(group: Group, config: PruneConfig) -> Masks:
    """The smallest |W| of each linear."""
    masks = {}
    for name, linear in group.items():
        scores = linear.weight.float().abs()
        masks[name] = (
            smallest_n_of_m(scores, *config.pattern) if config.pattern else smallest_of_tensor(scores, config.sparsity)
        )
        _zero(linear.weight, masks[name])
    return masks


def cut_by_wanda(group: Group, input_norm: torch.Tensor, config: PruneConfig) -> Masks:
    """The smallest |W| x input norm of each output row (Wanda; paper eq. 1). input_norm: (in,), any positive multiple of it."""
    masks = {}
    for name, linear in group.items():
        masks[name] = wanda_decision(linear.weight, input_norm, config)[1]
        _zero(linear.weight, masks[name])
    return masks


def wanda_decision(
    weight: torch.Tensor, input_norm: torch.Tensor, config: PruneConfig
) -> tuple[torch.Tensor, torch.Tensor]:
    """(scores |W| x input norm, mask), both (out, in): what Wanda would cut from one weight. Nothing is changed."""
    scores = weight.float().abs() * input_norm
    if config.pattern:
        return scores, smallest_n_of_m(scores, *config.pattern)
    return scores, smallest_of_rows(scores, config.sparsity)


def cut_by_sparsegpt(group: Group, hessian: torch.Tensor, config: PruneConfig) -> tuple[Masks, float]:
    """SparseGPT with the Hessian (in, in) of the group's input; also returns the damping that was needed.

    Rows do not depend on each other, so linears with the same input are solved stacked.
    """
    hinv_chol, dead, damping = invert_hessian(hessian)
    rows = [linear.out_features for linear in group.values()]
    stacked = torch.cat([linear.weight.float() for linear in group.values()])
    weight, mask = sparsegpt(stacked, hinv_chol, dead, config.sparsity, config.pattern, rows)
    for linear, piece in zip(group.values(), weight.split(rows), strict=True):
        linear.weight.copy_(piece)
    return dict(zip(group, mask.split(rows), strict=True)), damping


def _zero(weight: torch.Tensor, mask: torch.Tensor) -> None:
    """Write the zeros. A product takes a third of masked_fill_'s time on a CPU; adding 0 makes -0 a 0. Weights are finite here."""
    weight.mul_(~mask).add_(0)
