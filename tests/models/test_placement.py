"""Models with layers on several devices, converted ones and autoregressive references: they write and are pruned like any other."""

import json

import pytest
import torch
from accelerate import cpu_offload, dispatch_model

from sinkprune.decoding import DecodeConfig, autoregress, generate
from sinkprune.models import load_model
from sinkprune.pruning import METHODS, PruneConfig, prune_model
from tests.tiny_models import MASK, make_tiny

IDS = torch.randint(4, 60, (3, 20), generator=torch.Generator().manual_seed(0))
SETTINGS = {"gen_length": 16, "block_length": 8, "steps": 8}


def spread(shift_logits: bool = False):
    """A tiny model behind accelerate's hooks, as a device map over several devices puts them; all of its devices are the CPU."""
    loaded = make_tiny(shift_logits=shift_logits)
    ends = dict.fromkeys(("model.embed_tokens", "model.rotary_emb", "model.norm", "lm_head"), "cpu")
    places = ends | {f"model.layers.{layer}": "cpu" for layer in range(3)}
    dispatch_model(loaded.model, places, main_device="cpu", force_hooks=True)
    loaded.model.hf_device_map = places | {"lm_head": "another"}
    return loaded


@pytest.mark.parametrize("cache", ["none", "prefix", "dual"])
@pytest.mark.parametrize("shift", [False, True])
def test_a_spread_model_writes_and_is_recorded_the_same(cache, shift):
    config = DecodeConfig(**SETTINGS, cache=cache)
    whole, parts = (
        generate(m, IDS[:1, :7], config, record=True) for m in (make_tiny(shift_logits=shift), spread(shift))
    )
    assert torch.equal(whole.tokens, parts.tokens)
    for one, other in zip(whole.steps, parts.steps, strict=True):
        assert torch.equal(one.column_mass, other.column_mass)


def test_a_spread_model_has_its_autoregressive_lane():
    whole, parts = (list(autoregress(m, IDS[:1, :5], 6, record=True))[-1] for m in (make_tiny(), spread()))
    assert torch.equal(whole.canvas, parts.canvas)
    assert torch.equal(whole.column_mass, parts.column_mass)


@pytest.mark.parametrize("method", METHODS)
def test_a_spread_model_is_pruned_the_same_and_left_alone(method):
    parts = spread()
    before = {name: tensor.clone() for name, tensor in parts.model.state_dict().items()}
    whole, pruned = (prune_model(m, PruneConfig(method, 0.5), calibration_ids=IDS) for m in (make_tiny(), parts))
    assert all(torch.equal(whole.masks[name], pruned.masks[name]) for name in whole.masks)
    assert all(torch.equal(tensor, before[name]) for name, tensor in parts.model.state_dict().items())
    with torch.inference_mode():
        assert torch.equal(whole.loaded.model(IDS).logits, pruned.loaded.model(IDS).logits)


def test_an_offloaded_model_is_looked_at_but_not_pruned():
    loaded = make_tiny()
    with torch.inference_mode():
        logits = loaded.model(IDS).logits
    cpu_offload(loaded.model, execution_device="cpu")
    with torch.no_grad():
        torch.testing.assert_close(loaded.model(IDS).logits, logits)
    with pytest.raises(ValueError, match="is offloaded, and cuts would be lost: load the model without"):
        prune_model(loaded, PruneConfig("magnitude", 0.5))


def save_as(folder, loaded, **entries):
    loaded.model.save_pretrained(folder)
    raw = json.loads((folder / "config.json").read_text()) | entries
    (folder / "config.json").write_text(json.dumps({key: value for key, value in raw.items() if value is not None}))
    return folder


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3"])
def test_converted_models_have_a_head_of_their_own(tmp_path, family):
    original = make_tiny(family)
    save_as(tmp_path, original, model_type=f"a2d-{family}", tie_word_embeddings=True)
    loaded = load_model(tmp_path)
    with torch.inference_mode():
        assert torch.equal(loaded.model(IDS).logits, original.model(IDS).logits)
    assert (loaded.spec.family, loaded.spec.mask_token_id, loaded.spec.shift_logits) == (family, MASK, False)


@pytest.fixture
def reference(tmp_path):
    original = make_tiny()
    return load_model(save_as(tmp_path, original, causal_only=True, mask_token_id=None))


def test_a_reference_looks_left_and_writes_from_left_to_right(reference):
    changed = IDS.clone()
    changed[:, -1] = 60
    with torch.inference_mode():
        logits, others = (reference.model(ids).logits for ids in (IDS, changed))
    assert torch.equal(logits[:, :-1], others[:, :-1])
    steps = list(autoregress(reference, IDS[:1, :5], 4, record=True))
    canvas = IDS[:1, :5]
    for step in steps:
        with torch.inference_mode():
            canvas = torch.cat([canvas, reference.model(canvas).logits[:, -1:].argmax(-1)], dim=1)
        assert torch.equal(step.canvas, canvas)


def test_what_needs_a_mask_is_refused_with_the_way_out(reference):
    assert reference.spec.mask_token_id is None
    with pytest.raises(ValueError, match="only writes from left to right: use `autoregress`"):
        generate(reference, IDS[:1, :5], DecodeConfig(**SETTINGS))
    with pytest.raises(ValueError, match="has no MASK: use a method that reads clean text"):
        prune_model(reference, PruneConfig("sink-wanda", 0.5), calibration_ids=IDS)


@pytest.mark.parametrize("method", ["magnitude", "wanda", "sparsegpt", "structured"])
def test_a_reference_is_pruned_causally(reference, method):
    result = prune_model(reference, PruneConfig(method, 0.5), calibration_ids=IDS)
    with torch.inference_mode():
        logits = result.loaded.model(IDS).logits
        shorter = result.loaded.model(IDS[:, :8]).logits
    torch.testing.assert_close(logits[:, :8], shorter, atol=1e-4, rtol=1e-3)
