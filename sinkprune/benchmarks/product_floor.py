"""The least a pruning method can take on a machine: the time of the matrix products its calibration text needs."""

from __future__ import annotations

import time

import torch

from sinkprune.models import LoadedModel
from sinkprune.pruning.calibration import NOISE_STEPS
from sinkprune.pruning.linears import input_groups
from sinkprune.pruning.measuring import BATCH_TOKENS


@torch.inference_mode()
def product_floors(loaded: LoadedModel, tokens: int, rounds: int = 3) -> dict[str, float]:
    """Method -> seconds of its linears' products over `tokens` tokens of text, at the rate measured here on batches as pruning uses them.

    Methods in sequence run each layer twice, first up to its last input, then for its outputs, which the last layer has no need of.
    The others run once up to the last input, on noised text once a version but the all-masked one, which every text shares.
    Attention, norms, SparseGPT's Hessians and the cuts come on top.
    """
    model = loaded.model
    layers = [
        [_seconds(list(group.values()), rounds) for group in input_groups(model, layer)]
        for layer in range(len(model.model.layers))
    ]
    whole = sum(map(sum, layers))
    to_last_input = whole - layers[-1][-1]
    in_sequence = (whole - sum(layer[-1] for layer in layers)) + (whole - sum(layers[-1]))
    noised = (len(NOISE_STEPS) - 1) * to_last_input
    floors = {
        "magnitude": 0.0,
        "wanda": in_sequence,
        "sparsegpt": in_sequence,
        "sink-wanda": noised,
        # Its first pass ends at the last attention, behind q, k and v.
        "sink-sparsegpt": (len(NOISE_STEPS) - 1) * (whole - sum(layers[-1][1:])) + in_sequence,
        "structured": to_last_input,
        "sink-structured": noised,
    }
    return {method: seconds * tokens / BATCH_TOKENS for method, seconds in floors.items()}


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
