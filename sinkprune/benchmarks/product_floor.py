"""The least a pruning method can take on a machine: the time of the matrix products its calibration text needs."""

from __future__ import annotations

import time

import torch

from sinkprune.models import LoadedModel
from sinkprune.pruning.linears import input_groups
from sinkprune.pruning.measuring import BATCH_TOKENS
from sinkprune.pruning.methods import OWN_VERSIONS, RECORDS, Method


@torch.inference_mode()
def product_floors(loaded: LoadedModel, tokens: int, rounds: int = 3) -> dict[str, float]:
    """Method -> seconds of its linears' products over `tokens` tokens of text, at the rate measured here on batches as pruning uses them.

    A method in sequence runs each layer twice: up to its last input, then for its outputs, except the last layer's.
    The others run once, up to the last input. Noised text runs once per version; all texts share the all-masked version.
    Attention, norms, SparseGPT's Hessians and the cuts come on top.
    """
    model = loaded.model
    layers = [
        [_seconds(list(group.values()), rounds) for group in input_groups(model, layer)]
        for layer in range(len(model.model.layers))
    ]
    return {method.name: _products(method, layers) * tokens / BATCH_TOKENS for method in RECORDS}


def _products(method: Method, layers: list[list[float]]) -> float:
    """Seconds of the products per BATCH_TOKENS tokens. layers: seconds of each layer's groups of linears, in the order they run."""
    if not method.reads_text:
        return 0.0
    whole = sum(map(sum, layers))
    if not method.in_sequence:
        return (OWN_VERSIONS if method.noised else 1) * (whole - layers[-1][-1])
    in_sequence = (whole - sum(layer[-1] for layer in layers)) + (whole - sum(layers[-1]))
    to_last_attention = whole - sum(layers[-1][1:])  # q, k and v of the last layer run, nothing after them
    return in_sequence + (OWN_VERSIONS * to_last_attention if method.noised else 0.0)


def _seconds(linears: list[torch.nn.Linear], rounds: int) -> float:
    """Shortest time of the linears, which share their input, over BATCH_TOKENS rows."""
    weight = linears[0].weight
    x = torch.randn(BATCH_TOKENS, linears[0].in_features, device=weight.device).to(weight.dtype)
    best = float("inf")
    for _ in range(rounds):
        began = time.perf_counter()
        for linear in linears:
            y = linear(x)
        y[0, 0].item()  # a GPU is done by then
        best = min(best, time.perf_counter() - began)
    return best
