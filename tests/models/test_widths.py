"""Models with uneven layer widths: saving and loading again, the causal view, and what is refused."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from sinkprune.models import causal_view, load_model
from sinkprune.models.widths import check_widths, layer_widths, query_heads
from tests.pruning.structured_twins import some_ids, uneven_twins
from tests.tiny_models import ARCHITECTURES, MASK, make_tiny

FAMILIES = ("llama", "qwen2", "qwen3")


def logits_of(loaded, ids):
    with torch.inference_mode():
        return loaded.model(ids).logits


def save(loaded, folder):
    loaded.model.config.mask_token_id = MASK  # models from load_model carry it
    loaded.model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("tied", [False, True])
def test_a_saved_model_loads_again_with_its_widths(family, tied, tmp_path):
    smaller, _ = uneven_twins(family, tie_word_embeddings=tied)
    loaded = load_model(save(smaller, tmp_path), dtype=torch.float32)
    assert type(loaded.model) is ARCHITECTURES[family][1]
    assert layer_widths(loaded.model.config) == layer_widths(smaller.model.config)
    assert torch.equal(logits_of(loaded, some_ids(2, 9)), logits_of(smaller, some_ids(2, 9)))
    again = load_model(save(loaded, tmp_path / "again"), dtype=torch.float32)
    assert torch.equal(logits_of(again, some_ids(2, 9)), logits_of(smaller, some_ids(2, 9)))
    raw = json.loads((tmp_path / "again" / "config.json").read_text())
    assert raw["architectures"] == [ARCHITECTURES[family][1].__name__]
    assert raw["layer_widths"] == layer_widths(smaller.model.config)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_causal_view_shares_the_smaller_weights(family):
    smaller, zeroed = uneven_twins(family)
    view, ids = causal_view(smaller), some_ids(1, 8)
    assert view.model.model.layers[0].mlp.up_proj.weight is smaller.model.model.layers[0].mlp.up_proj.weight
    torch.testing.assert_close(logits_of(view, ids), logits_of(causal_view(zeroed), ids), atol=1e-4, rtol=1e-4)


def test_heads_keep_their_original_numbers():
    config = make_tiny().model.config
    assert layer_widths(config) == [{"kv_heads": [0, 1], "channels": 48}] * 3
    assert query_heads(config, 0) == [0, 1, 2, 3]
    config.layer_widths = [{"kv_heads": [1], "channels": 8}] * 3
    assert query_heads(config, 2) == [2, 3]


@pytest.mark.parametrize(
    "widths",
    [
        "all",
        [],
        [{"kv_heads": [0], "channels": 8}] * 2,
        [{"kv_heads": [], "channels": 8}] * 3,
        [{"kv_heads": [2], "channels": 8}] * 3,
        [{"kv_heads": [1, 0], "channels": 8}] * 3,
        [{"kv_heads": [True], "channels": 8}] * 3,
        [{"kv_heads": 1, "channels": 8}] * 3,
        [{"kv_heads": [0], "channels": 0}] * 3,
        [{"kv_heads": [0], "channels": 49}] * 3,
        [{"kv_heads": [0]}] * 3,
        [None] * 3,
    ],
)
def test_impossible_widths_are_refused(widths):
    config = make_tiny().model.config
    config.layer_widths = widths
    with pytest.raises(ValueError, match="one entry for each of the 3 layers"):
        check_widths(config)


def test_tensors_that_do_not_fit_the_widths_are_refused(tmp_path):
    smaller, _ = uneven_twins()
    save(smaller, tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    name = "model.layers.1.mlp.down_proj.weight"
    save_file(tensors | {name: tensors[name][:, :-1].contiguous()}, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=r"do not fit its config\.json"):
        load_model(tmp_path)
    raw = json.loads((tmp_path / "config.json").read_text())
    raw["layer_widths"] = raw["layer_widths"][:1]
    (tmp_path / "config.json").write_text(json.dumps(raw))
    with pytest.raises(ValueError, match="one entry for each of the 3 layers"):
        load_model(tmp_path)
