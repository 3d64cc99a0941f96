"""A structurally cut tiny model beside the dense model with the same channels and heads set to zero: they must compute the same."""

import copy
import dataclasses
import functools

import torch

from sinkprune.models import LoadedModel
from sinkprune.pruning import PruneConfig, PruneResult, prune_model
from tests.tiny_models import VOCABULARY, make_tiny


def some_ids(samples: int, length: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(4, VOCABULARY, (samples, length), generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def zeroed(dense: LoadedModel, result: PruneResult) -> LoadedModel:
    """`dense` with everything that `result` removed set to zero."""
    model = copy.deepcopy(dense.model)
    for name, mask in result.masks.items():
        model.get_submodule(name).weight.masked_fill_(mask, 0)
    return dataclasses.replace(dense, model=model)


@functools.cache
def uneven_twins(family: str = "llama", share: float = 0.3, **options) -> tuple[LoadedModel, LoadedModel]:
    """(smaller, zeroed) of a model whose layers keep different heads and different numbers of channels; read-only, made once."""
    dense = make_tiny(family, **options)
    config = PruneConfig("sink-structured", share, allocation="global")
    result = prune_model(dense, config, calibration_ids=some_ids(4, 12, seed=1))
    widths = result.loaded.model.config.layer_widths
    assert len({entry["channels"] for entry in widths}) > 1, "the twins are meant to be uneven"
    assert len({len(entry["kv_heads"]) for entry in widths}) > 1, "the twins are meant to be uneven"
    return result.loaded, zeroed(dense, result)
