"""Pruned, then quantised: zeros kept and counted again, the same answers as transformers' own quantised loading, nothing else changed."""

import dataclasses

import pytest
import torch
from transformers.integrations.bitsandbytes import dequantize_bnb_weight

from sinkprune.decoding import DecodeConfig, generate
from sinkprune.models import load_model
from sinkprune.pruning import PruneConfig, prune_model
from sinkprune.pruning.quantised import FORMATS, model_bytes, quantise

WIDE = {"hidden_size": 64, "head_dim": 16, "intermediate_size": 128, "initializer_range": 0.1}


@pytest.fixture(scope="module")
def half(make_model, make_ids):
    """A pruned model with biases: half of the weights zero."""
    return prune_model(make_model("qwen2", **WIDE), PruneConfig("wanda", 0.5), calibration_ids=make_ids())


@pytest.mark.parametrize("kind", FORMATS)
def test_zeros_stay_and_are_counted_again(half, kind):
    result = quantise(half.loaded, kind)
    assert [report.name for report in result.reports] == list(half.masks)
    assert result.sparsity_before == half.sparsity
    for report in result.reports:
        linear, mask = result.loaded.model.get_submodule(report.name), half.masks[report.name]
        zeros = dequantize_bnb_weight(linear.weight, getattr(linear, "state", None)) == 0
        assert zeros[mask].all()
        assert report.kept == 1
        assert report.sparsity == pytest.approx(zeros.float().mean().item())
        assert report.sparsity_before == pytest.approx(mask.float().mean().item())
    weights = sum(mask.numel() for mask in half.masks.values())
    zeros = sum(report.sparsity * half.masks[report.name].numel() for report in result.reports)
    assert result.sparsity == pytest.approx(zeros / weights)


@pytest.mark.parametrize(("kind", "share"), [("int8", 0.01), ("nf4", 0.07)])
def test_weights_that_round_to_zero_are_counted(make_model, kind, share):
    result = quantise(make_model(**WIDE), kind)
    assert result.sparsity_before == 0
    assert result.sparsity == pytest.approx(share, rel=0.5)
    assert all(report.kept == 1 for report in result.reports)


@pytest.mark.parametrize("kind", FORMATS)
def test_logits_are_those_of_a_quantised_load(half, tmp_path, kind):
    half.loaded.model.save_pretrained(tmp_path)
    ids = torch.randint(4, 64, (2, 12), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        ours, theirs, dense = (
            model.model(ids).logits.float()
            for model in (quantise(half.loaded, kind).loaded, load_model(tmp_path, quantize=kind), half.loaded)
        )
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)
    error = ((ours - dense).norm() / dense.norm()).item()
    assert 0 < error < 0.5


@pytest.mark.parametrize("kind", FORMATS)
def test_structured_cuts_of_any_width_run_quantised_and_load_quantised(make_model, make_ids, tmp_path, kind):
    config = PruneConfig("structured", 0.3)
    narrow = prune_model(make_model(**WIDE), config, calibration_ids=make_ids()).loaded
    assert any(layer.mlp.down_proj.in_features % 64 for layer in narrow.model.model.layers)
    narrow.model.save_pretrained(tmp_path)
    ids = torch.randint(4, 64, (1, 12), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        dense = narrow.model(ids).logits
        for loaded in (quantise(narrow, kind).loaded, load_model(tmp_path, quantize=kind)):
            assert (loaded.model(ids).logits.float() - dense).norm() < 0.5 * dense.norm()


@pytest.mark.parametrize("kind", FORMATS)
def test_it_writes_and_leaves_the_pruned_model_alone(half, kind):
    before = {name: tensor.clone() for name, tensor in half.loaded.model.state_dict().items()}
    result = quantise(half.loaded, kind)
    prompt = torch.tensor([[5, 6, 7]])
    written = generate(result.loaded, prompt, DecodeConfig(gen_length=8, block_length=4, steps=8, cache="dual"))
    assert written.tokens.shape == (1, 11)
    assert (written.tokens != result.loaded.spec.mask_token_id).all()
    after = half.loaded.model.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert all(type(half.loaded.model.get_submodule(name)) is torch.nn.Linear for name in half.masks)
    assert result.loaded.model.model.embed_tokens.weight is half.loaded.model.model.embed_tokens.weight


@pytest.mark.parametrize(("kind", "bits"), [("int8", 8), ("nf4", 4)])
def test_bytes_are_counted_with_their_scales(half, kind, bits):
    result = quantise(half.loaded, kind)
    masks = half.masks.values()
    weights, rows = sum(mask.numel() for mask in masks), sum(len(mask) for mask in masks)
    assert result.bytes_before == model_bytes(half.loaded.model)
    scales = 4 * rows if kind == "int8" else 4 * (weights // 64 + 16 * len(masks))
    assert result.bytes == result.bytes_before - 4 * weights + weights * bits // 8 + scales
    with (
        torch.inference_mode()
    ):  # then int8 scales move to another place, and a CPU may repack nf4 with scales of 16 bits
        result.loaded.model(torch.tensor([[5, 6]]))
    assert 0 <= result.bytes - model_bytes(result.loaded.model) <= (scales if kind == "nf4" else 0)


def test_what_cannot_be_quantised_or_pruned_is_refused(half, make_ids):
    with pytest.raises(ValueError, match="int8, nf4"):
        quantise(half.loaded, "int4")
    quantised = quantise(half.loaded, "nf4").loaded
    for attempt in (
        lambda: quantise(quantised, "int8"),
        lambda: prune_model(quantised, PruneConfig("wanda"), calibration_ids=make_ids()),
    ):
        with pytest.raises(ValueError, match=r"q_proj is quantised.*dequantize"):
            attempt()


@pytest.mark.parametrize("kind", FORMATS)
def test_a_dequantised_model_can_be_pruned(half, make_ids, tmp_path, kind):
    """The way out that the refusal names."""
    half.loaded.model.save_pretrained(tmp_path)
    loaded = load_model(tmp_path, quantize=kind)
    plain = dataclasses.replace(loaded, model=loaded.model.dequantize())
    assert prune_model(plain, PruneConfig("wanda", 0.75), calibration_ids=make_ids()).sparsity == 0.75
