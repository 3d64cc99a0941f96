"""What the store keeps of a pruned copy: the copy comes back bit for bit, from few bytes, and shares what pruning did not touch."""

import pytest
import torch

from sinkprune.lab.compact import PackedMasks, pack, unpack
from sinkprune.pruning import METHODS, STRUCTURED, PruneConfig, prune_model
from tests.tiny_models import VOCABULARY, make_tiny

BIASES = {"attention_bias": True, "mlp_bias": True}
CASES = [
    *(PruneConfig(method, share) for method in METHODS for share in (0.0, 0.5)),
    *(PruneConfig(method, pattern=(2, 4)) for method in METHODS if method not in STRUCTURED),
    *(PruneConfig(method, 0.4, allocation="global") for method in STRUCTURED),
]


def some_ids(samples: int = 4, length: int = 16) -> torch.Tensor:
    return torch.randint(4, VOCABULARY, (samples, length), generator=torch.Generator().manual_seed(0))


def name_of(config: PruneConfig) -> str:
    return f"{config.method}-{config.target}-{config.allocation}"


@pytest.mark.parametrize("config", CASES, ids=name_of)
@pytest.mark.parametrize("family", ["llama", "qwen2"])
def test_a_copy_comes_back_bit_for_bit(family, config):
    dense = make_tiny(family, **(BIASES if family == "llama" else {}))
    before = {name: tensor.clone() for name, tensor in dense.model.state_dict().items()}
    first = prune_model(dense, config, calibration_ids=some_ids())
    again = unpack(dense, pack(dense, first))
    weights, rebuilt = first.loaded.model.state_dict(), again.loaded.model.state_dict()
    assert weights.keys() == rebuilt.keys()
    assert all(torch.equal(weights[name], rebuilt[name]) for name in weights)
    assert all(torch.equal(first.masks[name], again.masks[name]) for name in first.masks)
    assert again.loaded.model.config.to_dict() == first.loaded.model.config.to_dict()
    assert (again.sparsity, again.seconds, again.reports) == (first.sparsity, first.seconds, first.reports)
    with torch.inference_mode():
        assert torch.equal(first.loaded.model(some_ids()).logits, again.loaded.model(some_ids()).logits)
    assert all(torch.equal(before[name], tensor) for name, tensor in dense.model.state_dict().items())


@pytest.mark.parametrize("method", ["magnitude", "wanda", "sink-wanda", "structured"])
def test_masks_alone_take_one_bit_a_weight(method):
    dense = make_tiny()
    compact = pack(dense, prune_model(dense, PruneConfig(method, 0.5), calibration_ids=some_ids()))
    assert compact.nbytes == sum(mask.numel() for mask in compact.masks.values()) // 8


def test_sparsegpt_keeps_the_weights_that_stayed():
    dense = make_tiny()
    result = prune_model(dense, PruneConfig("sparsegpt", 0.75), calibration_ids=some_ids())
    compact = pack(dense, result)
    stayed = sum((~mask).sum().item() for mask in result.masks.values())
    assert compact.nbytes == compact.masks.nbytes + 4 * stayed


def test_untouched_tensors_are_those_of_the_dense_model():
    dense = make_tiny()
    copy = unpack(dense, pack(dense, prune_model(dense, PruneConfig("magnitude", 0.5)))).loaded.model
    assert copy.model.embed_tokens.weight is dense.model.model.embed_tokens.weight
    assert copy.model.norm.weight is dense.model.model.norm.weight
    assert copy.config is not dense.model.config


def test_a_copy_made_inside_inference_mode_works_outside():
    dense = make_tiny()
    compact = pack(dense, prune_model(dense, PruneConfig("structured", 0.4), calibration_ids=some_ids()))
    with torch.inference_mode():
        model = unpack(dense, compact).loaded.model
    assert not any(parameter.is_inference() for parameter in model.parameters())


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (8, 8), (7, 13)])
def test_masks_of_any_shape_survive_packing(shape):
    masks = {"a": torch.rand(shape) < 0.5, "b": torch.zeros(shape, dtype=torch.bool)}
    packed = PackedMasks(masks)
    assert list(packed) == ["a", "b"]
    assert all(torch.equal(packed[name], masks[name]) for name in masks)
