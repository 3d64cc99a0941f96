"""Uneven widths: after a structured cut a decoder layer has fewer KV heads and MLP channels than the config's numbers say.

The config keeps the original numbers and, under one key, what stayed of each layer:
`"layer_widths": [{"kv_heads": [0, 2], "channels": 1016}, …]`, KV heads by their original number. So a saved copy loads again, and a
recording knows which heads are gone. transformers alone cannot load such a folder: its layers are all built alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

WIDTHS_KEY = "layer_widths"

Part = tuple[torch.Tensor | None, torch.Tensor | None]  # (rows, columns) of a weight; None: all


def layer_widths(config: PretrainedConfig) -> list[dict]:
    """{"kv_heads": original numbers of the KV heads that are left, "channels": MLP channels left} for each layer; a new list."""
    whole = {"kv_heads": list(range(config.num_key_value_heads)), "channels": config.intermediate_size}
    return [dict(entry) for entry in getattr(config, WIDTHS_KEY, None) or [whole] * config.num_hidden_layers]


def query_heads(config: PretrainedConfig, layer: int) -> list[int]:
    """The original numbers of the query heads that are left in `layer`, ascending."""
    each = config.num_attention_heads // config.num_key_value_heads
    return [kv * each + i for kv in layer_widths(config)[layer]["kv_heads"] for i in range(each)]


def note_widths(config: PretrainedConfig, layer: int, kv_heads: Sequence[int], channels: int) -> None:
    """Write into the config what stayed of a layer. kv_heads: which of the KV heads left so far, counted from 0."""
    widths = layer_widths(config)
    widths[layer] = {"kv_heads": [widths[layer]["kv_heads"][i] for i in kv_heads], "channels": channels}
    setattr(config, WIDTHS_KEY, widths)


def check_widths(config: PretrainedConfig) -> None:
    """Raise ValueError where the config's `layer_widths` are not what `note_widths` writes."""
    widths = getattr(config, WIDTHS_KEY, None)
    if widths is None:
        return
    layers, kv_heads, channels = config.num_hidden_layers, config.num_key_value_heads, config.intermediate_size
    if not isinstance(widths, list) or len(widths) != layers or not all(_fits(w, kv_heads, channels) for w in widths):
        raise ValueError(
            f"{WIDTHS_KEY} in config.json must have one entry for each of the {layers} layers, such as "
            f'{{"kv_heads": [0], "channels": {channels}}}: kv_heads ascending from 0 to {kv_heads - 1}, '
            f"channels from 1 to {channels}"
        )


def _fits(entry: object, kv_heads: int, channels: int) -> bool:
    if not isinstance(entry, dict) or entry.keys() != {"kv_heads", "channels"}:
        return False
    kept, width = entry["kv_heads"], entry["channels"]
    return (
        isinstance(kept, list)
        and len(kept) > 0
        and all(type(i) is int and 0 <= i < kv_heads for i in kept)
        and kept == sorted(set(kept))
        and type(width) is int
        and 1 <= width <= channels
    )


def parts_kept(block: nn.Module, kv_heads: torch.Tensor, channels: torch.Tensor) -> dict[str, Part]:
    """Linear's name inside the decoder layer -> what stays of its weight when only these KV heads and MLP channels stay.

    A KV head takes its rows of k and v with it. Each query head that reads it goes too, with its rows of q and its columns of o.
    """
    attention = block.self_attn
    rows = _rows_of_heads(kv_heads, attention.head_dim)
    queries = _rows_of_heads(kv_heads, attention.head_dim * attention.num_key_value_groups)
    return {
        "self_attn.q_proj": (queries, None),
        "self_attn.k_proj": (rows, None),
        "self_attn.v_proj": (rows, None),
        "self_attn.o_proj": (None, queries),
        "mlp.gate_proj": (channels, None),
        "mlp.up_proj": (channels, None),
        "mlp.down_proj": (None, channels),
    }


def narrow_layer(block: nn.Module, kv_heads: torch.Tensor, channels: torch.Tensor) -> None:
    """Keep only these KV heads and MLP channels of a decoder layer, indices ascending; its linears become smaller in place."""
    for name, (rows, columns) in parts_kept(block, kv_heads, channels).items():
        linear = block.get_submodule(name)
        if rows is not None:
            linear.weight = _frozen(linear.weight[rows])
            linear.bias = None if linear.bias is None else _frozen(linear.bias[rows])
        if columns is not None:
            linear.weight = _frozen(linear.weight[:, columns].contiguous())
        linear.out_features, linear.in_features = linear.weight.shape


def narrowed(architecture: type[PreTrainedModel]) -> type[PreTrainedModel]:
    """`architecture` built with the layer widths of its config: for from_pretrained, which fills what its constructor made."""

    class Narrowed(architecture):
        def __init__(self, config: PretrainedConfig):
            super().__init__(config)
            for block, entry in zip(self.model.layers, layer_widths(config), strict=True):
                device = block.mlp.down_proj.weight.device
                kv_heads = torch.tensor(entry["kv_heads"], device=device)
                narrow_layer(block, kv_heads, torch.arange(entry["channels"], device=device))

    return Narrowed


def _rows_of_heads(heads: torch.Tensor, width: int) -> torch.Tensor:
    return (heads[:, None] * width + torch.arange(width, device=heads.device)).flatten()


def _frozen(tensor: torch.Tensor) -> nn.Parameter:
    return nn.Parameter(tensor.detach(), requires_grad=False)
