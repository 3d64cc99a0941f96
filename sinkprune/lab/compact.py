"""Pruned copies in few bytes: masks at one bit a weight, and the weights only where pruning changed those that stayed (SparseGPT).

Everything else is the dense model's: a rebuilt copy shares with it each tensor that pruning did not touch, and equals the copy that was
packed bit for bit. What a structured cut kept can be read from its masks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from sinkprune.models import LoadedModel
from sinkprune.models.copies import copy_sharing_tensors
from sinkprune.models.widths import narrow_layer, note_widths
from sinkprune.pruning import LinearReport, PruneResult


class PackedMasks(Mapping[str, torch.Tensor]):
    """Masks (name -> bool tensor on the CPU) at one bit a weight; reading one unpacks it."""

    def __init__(self, masks: Mapping[str, torch.Tensor]) -> None:
        self._bits = {name: (np.packbits(mask.cpu().numpy()), mask.shape) for name, mask in masks.items()}

    @property
    def nbytes(self) -> int:
        return sum(bits.nbytes for bits, _ in self._bits.values())

    def __getitem__(self, name: str) -> torch.Tensor:
        bits, shape = self._bits[name]
        return torch.from_numpy(np.unpackbits(bits, count=shape.numel())).view(torch.bool).view(shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self._bits)

    def __len__(self) -> int:
        return len(self._bits)


@dataclass(frozen=True)
class CompactResult:
    """A `PruneResult` without its model.

    changed: linear's name -> the weights that stayed, row by row, where they are not the dense model's. narrow: whether the copy's
    layers are smaller than the dense model's.
    """

    masks: PackedMasks
    changed: dict[str, torch.Tensor]
    narrow: bool
    reports: list[LinearReport]
    sparsity: float
    seconds: float
    recorded: bool

    @property
    def nbytes(self) -> int:
        return self.masks.nbytes + sum(weights.nbytes for weights in self.changed.values())


@torch.no_grad()
def pack(dense: LoadedModel, result: PruneResult) -> CompactResult:
    """Keep of a result what the dense model, of which it is a pruned copy, does not have."""
    changed, narrow = {}, False
    for name, mask in result.masks.items():
        before = dense.model.get_submodule(name).weight
        after = result.loaded.model.get_submodule(name).weight
        if after.shape != before.shape:
            narrow = True  # a cut takes whole rows and columns and changes nothing that stays
        elif not torch.equal(after, before.masked_fill(mask, 0)):
            changed[name] = after[~mask].cpu()
    masks = PackedMasks(result.masks)
    return CompactResult(masks, changed, narrow, result.reports, result.sparsity, result.seconds, result.recorded)


@torch.inference_mode(False)
@torch.no_grad()
def unpack(dense: LoadedModel, compact: CompactResult) -> PruneResult:
    """The result again, with a new model. Nobody may write to the dense model through the new one."""
    pruned = []
    if not compact.narrow:
        for name, mask in compact.masks.items():
            before = dense.model.get_submodule(name).weight
            after = nn.Parameter(_pruned(before, mask, compact.changed.get(name)), requires_grad=False)
            pruned.append((before, after))
    model = copy_sharing_tensors(dense.model, pruned)
    if compact.narrow:
        _narrow(model, compact.masks)
    loaded = dataclasses.replace(dense, model=model)
    return PruneResult(loaded, compact.reports, compact.masks, compact.sparsity, compact.seconds, compact.recorded)


def _pruned(before: torch.Tensor, mask: torch.Tensor, stayed: torch.Tensor | None) -> torch.Tensor:
    mask = mask.to(before.device)
    if stayed is None:
        return before.masked_fill(mask, 0)
    return torch.zeros_like(before).masked_scatter_(~mask, stayed.to(before.device))


def _narrow(model: nn.Module, masks: Mapping[str, torch.Tensor]) -> None:
    for layer, block in enumerate(model.model.layers):
        removed_rows = masks[f"model.layers.{layer}.self_attn.k_proj"].all(1)
        removed_channels = masks[f"model.layers.{layer}.mlp.down_proj"].all(0)
        heads = (~removed_rows[:: block.self_attn.head_dim]).nonzero().flatten()
        channels = (~removed_channels).nonzero().flatten()
        device = block.mlp.down_proj.weight.device
        narrow_layer(block, heads.to(device), channels.to(device))
        note_widths(model.config, layer, heads.tolist(), len(channels))
