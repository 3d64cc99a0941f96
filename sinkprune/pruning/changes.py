"""What the sink weight changed: where attention sinks are strong, and where two sets of masks decide differently (paper Fig. 7 and 8).

Masks are those of `prune_model` (True = pruned), plain and sink-aware, of one model at one sparsity. A query head owns its rows of q and
its columns of o. With grouped-query attention, a head also owns an equal share of the rows of k and v that its group reads. So all heads
of a group show the same value for k and for v. All heads together own every attention weight once.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from sinkprune.models import LoadedModel
from sinkprune.models.widths import WIDTHS_KEY
from sinkprune.pruning.calibration import noised
from sinkprune.pruning.cuts import Masks
from sinkprune.pruning.linears import INPUT_GROUPS
from sinkprune.pruning.measuring import batches
from sinkprune.pruning.token_weights import column_mass
from sinkprune.sinks import paper_mass, reference_sink_set, sink_set, total_mass

LINEARS = tuple(name for group in INPUT_GROUPS for name in group)  # the columns of the arrays by linear
ATTENTION = LINEARS[:4]  # q, k, v, o


@dataclass(frozen=True)
class MaskChanges:
    """L layers, H query heads; float32 on the CPU.

    sink_strength: (L, H) the share of its attention that a head of the dense model gives to sinks, 0 to 1 (Fig. 7, left).
    disagreement: share of the weights that exactly one of the two masks prunes, 0 to 1 (Fig. 7, centre and right).
        by_head: (L, H) over q, k, v and o together; by_linear: (L, 7) in the order of `LINEARS`.
    difference_by_head: (L, H) sparsity of the sink-aware mask less that of the plain one, -1 to 1 (Fig. 8).
    """

    sink_strength: torch.Tensor
    disagreement_by_head: torch.Tensor
    disagreement_by_linear: torch.Tensor
    difference_by_head: torch.Tensor


def mask_changes(
    dense: LoadedModel,
    plain: Masks,
    aware: Masks,
    calibration_ids: torch.Tensor,
    seed: int = 0,
    sink_rule: str = "reference",
) -> MaskChanges:
    """Compare two sets of masks of one dense model. calibration_ids (samples, T) and seed: those the masks were made from.

    Raises ValueError where the masks are not both of this model's linears.
    """
    _check(dense, plain, aware)
    heads, head_dim = dense.model.config.num_attention_heads, dense.model.model.layers[0].self_attn.head_dim
    strength = sink_strength(dense, noised(calibration_ids, dense.spec.mask_token_id, seed), sink_rule)
    by_linear, by_head, signed = [], [], []
    for layer in range(len(dense.model.model.layers)):
        names = [f"model.layers.{layer}.{linear}" for linear in LINEARS]
        differ = [(plain[name] ^ aware[name]).float() for name in names]
        by_linear.append(torch.stack([values.mean() for values in differ]).cpu())
        by_head.append(_attention_means(differ, heads, head_dim))
        signed.append(_attention_means([aware[name].float() - plain[name].float() for name in names], heads, head_dim))
    return MaskChanges(strength, torch.stack(by_head), torch.stack(by_linear), torch.stack(signed))


def _attention_means(values: list[torch.Tensor], heads: int, head_dim: int) -> torch.Tensor:
    """(H,) mean over all attention weights that a head owns. values: per linear of a layer, in the order of `LINEARS`."""
    attention = values[: len(ATTENTION)]
    means = [head_means(each, name, heads, head_dim) for each, name in zip(attention, ATTENTION, strict=True)]
    owned = torch.tensor([float(each.numel()) for each in attention], device=means[0].device)
    return (torch.stack(means, dim=1) @ (owned / owned.sum())).cpu()


@torch.no_grad()
def sink_strength(dense: LoadedModel, versions: torch.Tensor, sink_rule: str = "reference") -> torch.Tensor:
    """(L, H) share of a head's attention that goes to sinks: mean over queries, noised versions and sequences.

    versions: (samples, noise levels, T), as `noised` makes them. Sinks are found in each version: by the rule "reference" where the mass
    exceeds mean + 2 standard deviations, by "paper" where it exceeds the mean of the others (eq. 10 with epsilon 0).
    """
    total = torch.zeros((), device=versions.device)
    for batch in batches(versions.flatten(0, 1)):
        mass = column_mass(dense, batch)  # (L, B, H, T)
        sinks = sink_set(paper_mass(mass), 0.0) if sink_rule == "paper" else reference_sink_set(total_mass(mass))
        total = total + torch.einsum("lbht,bt->lh", mass, sinks.to(mass.dtype))
    return (total / versions.numel()).cpu()


def head_means(values: torch.Tensor, linear: str, heads: int, head_dim: int) -> torch.Tensor:
    """(H,) mean of a weight's values (out, in) over what each query head owns of it; `linear` is one of q, k, v (rows) and o (columns)."""
    by_row = values.mean(0) if linear.endswith("o_proj") else values.mean(1)
    means = by_row.view(-1, head_dim).mean(1)  # query heads, or KV heads
    return means.repeat_interleave(heads // len(means))


def _check(dense: LoadedModel, plain: Masks, aware: Masks) -> None:
    if hasattr(dense.model.config, WIDTHS_KEY):
        raise ValueError("this model went through a structured cut: compare masks of the model before it")
    for layer in range(len(dense.model.model.layers)):
        for name in (f"model.layers.{layer}.{linear}" for linear in LINEARS):
            linear = dense.model.get_submodule(name)
            for masks in (plain, aware):
                if name not in masks or masks[name].shape != (linear.out_features, linear.in_features):
                    raise ValueError(f"no mask of {name} fits this model: compare two prunings of the model given here")
