"""Recording where attention goes while a model runs: column mass per layer and head, value norms, or one whole attention map.

Column mass is the attention each key position receives, summed over queries (eq. 5 before averaging). Only one layer's H x Q x K weights
exist at a time. Recording belongs to the thread and the model it was started for; the model object itself is not changed, and nothing is
left behind when the block ends.

Heads keep their numbers when a structured cut removes some. A head that exists gives out 1 per query, and a removed head has mass 0
everywhere. So removed heads add nothing to sums over heads; `live_heads` says by how many to divide for a mean.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import torch

from sinkprune.models.direction import causal_view
from sinkprune.models.spec import LoadedModel
from sinkprune.models.watching import ATTENTION_NAME, watch_attention, watch_inputs
from sinkprune.models.widths import query_heads

if TYPE_CHECKING:
    from transformers import PretrainedConfig


class AttentionRecording:
    """What `record_attention` yields: the column mass of the most recent forward, and the value norms where asked for."""

    def __init__(self, config: PretrainedConfig) -> None:
        self._config = config
        self._layers: dict[int, torch.Tensor] = {}
        self._norms: dict[int, torch.Tensor] = {}

    @property
    def column_mass(self) -> torch.Tensor:
        """(L, B, H, N) float32 on the model's (first) device; every head that exists sums to the number of queries, a removed one to 0."""
        if not self._layers:
            raise ValueError("no forward was recorded: run the model inside `with record_attention(loaded)`")
        return _stacked(self._layers)

    @property
    def value_norms(self) -> torch.Tensor:
        """(L, B, N) float32 on the same device: the length of each key position's value vector, mean over the KV heads that exist.

        Sinks have small ones: attending to them adds next to nothing (arXiv 2601.19657).
        """
        if not self._norms:
            raise ValueError("no value norms were recorded: use `record_attention(loaded, value_norms=True)`")
        return _stacked(self._norms)

    def _observe(self, layer: int, weights: torch.Tensor, real: torch.Tensor | None) -> None:
        if layer in self._layers:  # a new forward has begun
            self._layers.clear()
        self._layers[layer] = _at_their_numbers(_column_sums(weights, real), self._config, layer)

    def _observe_values(self, layer: int, _query: torch.Tensor, _key: torch.Tensor, value: torch.Tensor) -> None:
        self._norms[layer] = value.float().norm(dim=-1).mean(dim=1)  # (B, K)


@contextmanager
def record_attention(loaded: LoadedModel, value_norms: bool = False) -> Iterator[AttentionRecording]:
    """Record the column mass of each forward of `loaded.model` that this thread runs inside the block.

    Rows of padding tokens do not count and padded keys receive 0, where the forward was given an attention mask.
    Costs one explicit softmax per layer; the outputs are the same bit for bit.
    """
    recording, config = AttentionRecording(loaded.model.config), loaded.model.config
    values = watch_inputs(config, recording._observe_values) if value_norms else nullcontext()
    with _watchable(loaded), watch_attention(config, recording._observe), values:
        yield recording


def attention_map(
    loaded: LoadedModel, ids: torch.Tensor, layer: int | None = None, head: int | None = None, causal: bool = False
) -> torch.Tensor:
    """(N, N) float32 on the CPU, row = query: the attention of one forward over `ids` (1, N); rows sum to 1.

    layer and head count from 0; None is the mean over those that exist. causal needs a model whose `spec.causal` is True.
    Raises ValueError for what is out of bounds and for a head that was removed.
    """
    view = causal_view(loaded) if causal else loaded
    if ids.dim() != 2 or ids.shape[0] != 1:
        raise ValueError(f"ids must have the shape (1, N), not {tuple(ids.shape)}")
    chosen = _chosen_heads(view.model.config, layer, head)
    maps: list[torch.Tensor] = []  # of each layer in `chosen`, the sum over its chosen heads

    def keep(index: int, weights: torch.Tensor, _real: torch.Tensor | None) -> None:
        if index in chosen:
            maps.append(weights[0, chosen[index]].sum(0).cpu())

    with torch.inference_mode(), _watchable(view), watch_attention(view.model.config, keep):
        view.model.model(ids.to(view.device), use_cache=False)
    return torch.stack(maps).sum(0) / sum(map(len, chosen.values()))


def _chosen_heads(config: PretrainedConfig, layer: int | None, head: int | None) -> dict[int, list[int]]:
    """Layer -> which of its heads that exist, counted from 0, are asked for; layers without one are left out."""
    layers, heads = config.num_hidden_layers, config.num_attention_heads
    if layer is not None and not 0 <= layer < layers:
        raise ValueError(f"layer must lie between 0 and {layers - 1}, not {layer}")
    if head is not None and not 0 <= head < heads:
        raise ValueError(f"head must lie between 0 and {heads - 1}, not {head}")
    chosen = {}
    for index in range(layers) if layer is None else [layer]:
        wanted = [i for i, number in enumerate(query_heads(config, index)) if head in (None, number)]
        if wanted:
            chosen[index] = wanted
    if not chosen:
        where = "every layer" if layer is None else f"layer {layer}"
        raise ValueError(f"head {head} was removed from {where} by a structured cut: choose another head or the mean")
    return chosen


def _stacked(layers: dict[int, torch.Tensor]) -> torch.Tensor:
    """(L, …) on the device of the first layer that ran."""
    device = next(iter(layers.values())).device
    return torch.stack([layers[layer].to(device) for layer in sorted(layers)])


def _column_sums(weights: torch.Tensor, real: torch.Tensor | None) -> torch.Tensor:
    """(B, H, K) from weights (B, H, Q, K): summed over the query rows that are tokens."""
    if real is None:
        return weights.sum(dim=2)
    return torch.einsum("bhqk,bq->bhk", weights, real.to(weights.dtype))


def _at_their_numbers(mass: torch.Tensor, config: PretrainedConfig, layer: int) -> torch.Tensor:
    """(B, H, K), H as in the config, from the mass (B, heads that exist, K): zeros for those that were removed."""
    if mass.shape[1] == config.num_attention_heads:
        return mass
    whole = mass.new_zeros(len(mass), config.num_attention_heads, mass.shape[-1])
    whole[:, query_heads(config, layer)] = mass
    return whole


@contextmanager
def _watchable(loaded: LoadedModel) -> Iterator[None]:
    """Models from load_model run the watched attention function always; any other model runs it inside the block only."""
    before = loaded.model.config._attn_implementation
    if before == ATTENTION_NAME:
        yield
        return
    import sinkprune.models.attention  # noqa: F401  registers the function; late, because it needs transformers

    loaded.model.set_attn_implementation(ATTENTION_NAME)
    try:
        yield
    finally:
        loaded.model.set_attn_implementation(before)
