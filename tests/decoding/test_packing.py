"""Packed weights: the same numbers, the weights of now, and nothing kept for weights that are gone."""

import gc

import pytest
import torch

from sinkprune.decoding import packing
from sinkprune.decoding.packing import packed_view
from tests.tiny_models import VOCABULARY, make_tiny

IDS = torch.arange(4, 20)[None] % VOCABULARY
pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this PyTorch has no packed product")


def logits(loaded):
    with torch.inference_mode():
        return loaded.model(IDS).logits


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3"])
def test_a_float32_view_differs_by_rounding_alone(family):
    loaded = make_tiny(family)
    view = packed_view(loaded)
    assert view.model is not loaded.model
    torch.testing.assert_close(logits(view), logits(loaded), rtol=1e-5, atol=1e-5)


@pytest.mark.skipif(not packing._has_packed_product(torch.bfloat16), reason="this CPU has no bfloat16 products")
def test_a_bfloat16_view_agrees_with_the_plain_product():
    loaded = make_tiny("llama")
    loaded.model.bfloat16()
    torch.testing.assert_close(logits(packed_view(loaded)), logits(loaded), rtol=0.02, atol=0.02)


def test_changed_weights_are_packed_again_and_unchanged_ones_are_not():
    loaded = make_tiny("llama")
    first, second = packed_view(loaded), packed_view(loaded)
    head = loaded.model.lm_head.weight
    assert first.model.lm_head.weight is second.model.lm_head.weight
    before = logits(first)
    with torch.no_grad():
        head.mul_(2)
    torch.testing.assert_close(logits(packed_view(loaded)), logits(loaded), rtol=1e-5, atol=1e-5)
    assert not torch.equal(logits(packed_view(loaded)), before)


def test_packed_copies_die_with_their_weights():
    gc.collect()
    before = len(packing._packed)
    loaded = make_tiny("llama")
    view = packed_view(loaded)
    assert len(packing._packed) > before
    del loaded, view
    gc.collect()
    assert len(packing._packed) == before


def test_a_model_that_is_watched_too_large_or_quantised_runs_as_it_is(monkeypatch):
    loaded = make_tiny("llama")
    hook = loaded.model.model.layers[0].mlp.up_proj.register_forward_pre_hook(lambda *_: None)
    assert packed_view(loaded) is loaded
    hook.remove()
    assert packed_view(loaded) is not loaded
    loaded.model.lm_head.__class__ = type("QuantisedLinear", (torch.nn.Linear,), {})
    assert packed_view(loaded) is loaded
    loaded.model.lm_head.__class__ = torch.nn.Linear
    assert packed_view(loaded) is not loaded
    monkeypatch.setattr(packing, "MOST_BYTES", 1000)
    assert packed_view(loaded) is loaded
