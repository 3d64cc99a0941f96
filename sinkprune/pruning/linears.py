"""Which linears are pruned, which of them share their inputs, and how their inputs are watched.

Pruned are the linears inside the decoder layers, never the embedding, the norms or the head. Widths are read from each linear, so layers
may differ. Names are transformers': `model.layers.0.self_attn.q_proj`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from transformers import PreTrainedModel

INPUT_GROUPS = (
    ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    ("self_attn.o_proj",),
    ("mlp.gate_proj", "mlp.up_proj"),
    ("mlp.down_proj",),
)  # linears of one group see the same input

Group = dict[str, nn.Linear]  # full name -> linear


def input_groups(model: PreTrainedModel, layer: int) -> list[Group]:
    """The linears of decoder layer `layer`, in the order they run; one dict for each distinct input."""
    block = model.model.layers[layer]
    return [{f"model.layers.{layer}.{name}": block.get_submodule(name) for name in names} for names in INPUT_GROUPS]


def all_groups(model: PreTrainedModel) -> list[Group]:
    """`input_groups` of every layer."""
    return [group for layer in range(len(model.model.layers)) for group in input_groups(model, layer)]


@contextmanager
def watch_inputs(groups: list[Group], see: Callable[[str, torch.Tensor], None]) -> Iterator[None]:
    """Call `see(name of the group's first linear, its input (B, T, in))` in every forward inside the block."""
    handles = []
    try:
        for group in groups:
            name, linear = next(iter(group.items()))
            handles.append(linear.register_forward_pre_hook(lambda _, args, name=name: see(name, args[0])))
        yield
    finally:
        for handle in handles:
            handle.remove()


def check_prunable(model: PreTrainedModel, pattern: tuple[int, int] | None) -> None:
    """Raise ValueError where the model cannot be pruned: offloaded, quantised, not finite, or m does not divide a width."""
    for group in all_groups(model):
        for name, linear in group.items():
            if linear.weight.is_meta:
                raise ValueError(
                    f"{name} is offloaded, and cuts would be lost: load the model without an offloading device_map to prune it"
                )
            if type(linear) is not nn.Linear or not linear.weight.is_floating_point():
                raise ValueError(
                    f"{name} is quantised: load the model without `quantize` (or call model.dequantize()), prune, then quantise it"
                )
            if pattern is not None and linear.in_features % pattern[1]:
                raise ValueError(
                    f"pattern {pattern[0]}:{pattern[1]} does not fit {name}: "
                    f"{pattern[1]} must divide its {linear.in_features} inputs"
                )
    for name, parameter in model.named_parameters():
        if not parameter.is_meta and not _is_finite(parameter):
            raise ValueError(f"{name} holds NaN or infinity: the checkpoint is damaged, load it again")


def _is_finite(tensor: torch.Tensor) -> bool:
    low, high = tensor.aminmax()  # pass NaN on, and read the tensor once
    return bool(low.isfinite() and high.isfinite())
