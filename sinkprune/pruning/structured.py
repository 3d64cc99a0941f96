"""Structured cuts: MLP channels and KV heads leave as a whole, so that layers become smaller and faster (paper Table 4).

A channel is one row of gate and up and one column of down. A KV head leaves with its query heads: rows of k, v and q, columns of o.
Both are called units here. A unit's score is Wanda's |W_ij| x input norm of j, taken as the L2 norm of a column of down or o. The columns
of a KV head are added up. Statistics come in ready, from the dense model; everything here is decided before the first layer is cut.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

import torch
from torch import nn

from sinkprune.models.widths import narrow_layer, note_widths, parts_kept
from sinkprune.pruning.cuts import Masks
from sinkprune.pruning.linears import input_groups

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from sinkprune.pruning.settings import PruneConfig

# Widths stay multiples of this (or whole): 16-bit matrix units of GPUs ask for it, and the patterns 2:4 and 4:8 still divide it.
CHANNEL_MULTIPLE = 8
# KV heads go at this part of the asked share, channels make up for the rest. Measured on the bundled model, uniform cut of 0.3: heads at
# the whole share lose 1.4 bits a token, at half of it (on three KV heads: none) 0.9.
HEAD_RATE = 0.5


@dataclass(frozen=True)
class UnitScores:
    """The scores of one layer's units, float32 on the CPU. heads: (KV heads,). channels: (MLP channels,)."""

    heads: torch.Tensor
    channels: torch.Tensor


@dataclass(frozen=True)
class Kept:
    """What stays of one layer: indices of KV heads and of MLP channels, ascending, on the CPU."""

    heads: torch.Tensor
    channels: torch.Tensor


def cut_units(model: PreTrainedModel, norms: dict[str, torch.Tensor], config: PruneConfig) -> Iterator[Masks]:
    """Cut layer after layer and yield each one's masks. norms: name of a group's first linear -> its input norm (in,)."""
    layers = range(len(model.model.layers))
    names = [[next(iter(group)) for group in input_groups(model, layer)] for layer in layers]
    scores = [unit_scores(model, layer, norms[o], norms[down]) for layer, (_, o, _, down) in enumerate(names)]
    for layer, kept in enumerate(choose_units(scores, unit_costs(model), config)):
        yield cut_layer(model, layer, kept)


def unit_scores(model: PreTrainedModel, layer: int, o_norm: torch.Tensor, down_norm: torch.Tensor) -> UnitScores:
    """Scores from the norms of the inputs (in,) of the layer's o_proj and down_proj, any positive multiple of them."""
    block = model.model.layers[layer]
    attention = block.self_attn
    columns = attention.head_dim * attention.num_key_value_groups  # of o, that read one KV head
    from_o = attention.o_proj.weight.float().norm(dim=0) * o_norm
    from_down = block.mlp.down_proj.weight.float().norm(dim=0) * down_norm
    return UnitScores(from_o.view(-1, columns).sum(1).cpu(), from_down.cpu())


def choose_units(scores: list[UnitScores], costs: tuple[int, int], config: PruneConfig) -> list[Kept]:
    """What each layer keeps so that the share `config.sparsity` of all its linears' weights goes, or that of all layers together.

    costs: weights in one KV head with its query heads, and in one channel. Heads go at HEAD_RATE of the share, to the nearest whole head,
    or more where the channels would not do. Each layer keeps its best head and its best channels.
    """
    if config.allocation == "global":
        return _choose(scores, costs, config.sparsity)
    return [kept for layer in scores for kept in _choose([layer], costs, config.sparsity)]


def unit_costs(model: PreTrainedModel) -> tuple[int, int]:
    """Linear weights that leave with one KV head and with one channel; the same in every layer."""
    block = model.model.layers[0]
    heads = block.self_attn.k_proj.out_features // block.self_attn.head_dim
    return _linear_weights(block.self_attn) // heads, _linear_weights(block.mlp) // block.mlp.down_proj.in_features


def cut_layer(model: PreTrainedModel, layer: int, kept: Kept) -> Masks:
    """Make the layer's linears smaller in place and note it in the config. Returns masks of the shapes before, True = removed."""
    block = model.model.layers[layer]
    masks = {}
    for name, (rows, columns) in parts_kept(block, kept.heads, kept.channels).items():
        mask = torch.ones_like(block.get_submodule(name).weight, dtype=torch.bool)
        mask[slice(None) if rows is None else rows, slice(None) if columns is None else columns] = False
        masks[f"model.layers.{layer}.{name}"] = mask
    narrow_layer(block, kept.heads, kept.channels)
    note_widths(model.config, layer, kept.heads.tolist(), len(kept.channels))
    return masks


@dataclass(frozen=True)
class _Step:
    """The next units of a layer to go: `units` of them, with their mean score in units of the layer's median."""

    score: float
    layer: int
    units: int


def _choose(scores: list[UnitScores], costs: tuple[int, int], share: float) -> list[Kept]:
    head_order, head_steps = _ranking([layer.heads for layer in scores], 1)
    channel_order, channel_steps = _ranking([layer.channels for layer in scores], CHANNEL_MULTIPLE)
    heads = sum(map(len, head_order))
    weights = heads * costs[0] + sum(map(len, channel_order)) * costs[1]
    removed = list(accumulate((step.units for step in channel_steps), initial=0))  # channels gone after n steps

    def plan(gone: int) -> tuple[float, float, int, int]:
        """(channels missed, where not only by rounding; distance from the heads' rate; heads gone; channel steps gone)"""
        asked = (share * weights - gone * costs[0]) / costs[1]
        steps = _nearest(removed, asked)
        missed = abs(asked - removed[steps])
        return missed if missed > CHANNEL_MULTIPLE else 0.0, abs(gone - HEAD_RATE * share * heads), gone, steps

    _, _, gone, steps = min(plan(gone) for gone in range(len(head_steps) + 1))
    return [
        Kept(_rest(head_order[i], head_steps[:gone], i), _rest(channel_order[i], channel_steps[:steps], i))
        for i in range(len(scores))
    ]


def _ranking(scores: list[torch.Tensor], multiple: int) -> tuple[list[torch.Tensor], list[_Step]]:
    """Units of each layer from worst to best, and the steps in which they may go, over all layers; a layer's best `multiple` stay.

    Layers are compared by the median: in units of the mean, a layer with a few giant channels would lose nearly all others.
    """
    orders, steps = [], []
    for layer, values in enumerate(scores):
        ranked, order = values.sort(stable=True)
        orders.append(order)
        ranked = ranked.double()
        median = ranked.quantile(0.5).clamp_min(torch.finfo(torch.float64).tiny)
        odd = len(ranked) % multiple  # the first step makes the width a multiple
        sizes = [odd] * (odd > 0) + [multiple] * (len(ranked) // multiple)
        steps += [_Step((part.mean() / median).item(), layer, len(part)) for part in ranked.split(sizes)[:-1]]
    return orders, sorted(steps, key=lambda step: step.score)  # stable: a layer's own steps stay in order


def _linear_weights(module: nn.Module) -> int:
    return sum(part.weight.numel() for part in module.modules() if isinstance(part, nn.Linear))


def _rest(order: torch.Tensor, steps: list[_Step], layer: int) -> torch.Tensor:
    return order[sum(step.units for step in steps if step.layer == layer) :].sort().values


def _nearest(ascending: list[int], value: float) -> int:
    """Index of the entry nearest to `value`; of two equally near the smaller."""
    above = bisect_left(ascending, value)
    around = [i for i in (above - 1, above) if 0 <= i < len(ascending)]
    return min(around, key=lambda i: (abs(ascending[i] - value), i))
