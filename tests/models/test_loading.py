"""Loading: the golden logits of both original layouts, layouts written by the test itself, and every refusal."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from sinkprune.models import MODELS, causal_view, load_model
from sinkprune.models.placement import default_dtype
from tests.tiny_models import FIXTURES, make_tiny

GOLDEN = FIXTURES / "models"
LLADA_PARTS = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ff_norm",
    "self_attn.q_proj": "q_proj",
    "self_attn.k_proj": "k_proj",
    "self_attn.v_proj": "v_proj",
    "self_attn.o_proj": "attn_out",
    "mlp.gate_proj": "ff_proj",
    "mlp.up_proj": "up_proj",
    "mlp.down_proj": "ff_out",
}


def logits_of(loaded, ids):
    with torch.inference_mode():
        return loaded.model(ids).logits


def llada_name(name: str) -> str:
    for ours, original in {"model.embed_tokens": "wte", "model.norm": "ln_f", "lm_head": "ff_out"}.items():
        if name.startswith(ours + "."):
            return name.replace(ours, f"model.transformer.{original}")
    _, _, layer, part = name.split(".", 3)
    module, kind = part.rsplit(".", 1)
    return f"model.transformer.blocks.{layer}.{LLADA_PARTS[module]}.{kind}"


def write_llada(folder: Path, loaded, shards: int = 1, **entries) -> dict[str, torch.Tensor]:
    """Write a model's weights in the original LLaDA layout; returns the tensors by original name."""
    config = loaded.model.config
    tied = config.tie_word_embeddings
    weights = {
        llada_name(name): tensor.clone().contiguous()
        for name, tensor in loaded.model.state_dict().items()
        if not (tied and name.startswith("lm_head"))
    }
    raw = {
        "model_type": "llada",
        "d_model": config.hidden_size,
        "n_layers": config.num_hidden_layers,
        "n_heads": config.num_attention_heads,
        "n_kv_heads": config.num_key_value_heads,
        "mlp_hidden_size": config.intermediate_size,
        "vocab_size": config.vocab_size,
        "max_sequence_length": 256,
        "rms_norm_eps": config.rms_norm_eps,
        "rope_theta": config.rope_parameters["rope_theta"],
        "weight_tying": tied,
        "mask_token_id": 3,
        "eos_token_id": 2,
        "auto_map": {"AutoModel": "modeling_llada.LLaDAModelLM"},
    }
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(raw | entries))
    if shards == 1:
        save_file(weights, folder / "model.safetensors")
        return weights
    index = {}
    for shard in range(shards):
        file = f"model-{shard + 1:05d}-of-{shards:05d}.safetensors"
        part = {name: weights[name] for name in sorted(weights)[shard::shards]}
        save_file(part, folder / file)
        index |= dict.fromkeys(part, file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    return weights


@pytest.mark.parametrize("layout", ["llada", "dream"])
def test_original_layouts_give_the_official_logits(layout, request):
    golden = np.load(GOLDEN / f"{layout}_forward.npz")
    logits = logits_of(request.getfixturevalue(layout), torch.from_numpy(golden["input_ids"]))
    torch.testing.assert_close(logits, torch.from_numpy(golden["logits"]), atol=1e-4, rtol=0)


def test_a_loaded_model_is_ready_to_run(llada, dream):
    assert (llada.spec.mask_token_id, llada.spec.eos_token_id, llada.spec.family) == (126, 125, "llama")
    assert (llada.spec.shift_logits, dream.spec.shift_logits) == (False, True)
    for loaded in (llada, dream):
        assert loaded.tokenizer is None
        assert loaded.model.dtype == torch.float32
        assert not loaded.model.training
        assert not any(parameter.requires_grad for parameter in loaded.model.parameters())


@pytest.mark.parametrize("layout", ["llada", "dream"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_changes_nothing_in_the_original_layouts(layout, side, request):
    loaded = request.getfixturevalue(layout)
    ids, padding = torch.randint(0, 100, (1, 9)), torch.full((1, 4), 7)
    real, none = torch.ones(1, 9, dtype=torch.long), torch.zeros(1, 4, dtype=torch.long)
    order = slice(None, None, -1) if side == "left" else slice(None)
    padded, mask = (torch.cat([ids, padding][order], 1), torch.cat([real, none][order], 1))
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    with torch.inference_mode():
        logits = loaded.model(padded, attention_mask=mask, position_ids=positions).logits[mask.bool()]
    torch.testing.assert_close(logits, logits_of(loaded, ids)[0], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("options", "shards", "entries"),
    [
        ({}, 1, {}),
        ({}, 3, {}),
        ({"tie_word_embeddings": True}, 1, {}),
        ({"tie_word_embeddings": True}, 2, {"model_type": "mmada"}),
        ({"attention_bias": True, "mlp_bias": True}, 2, {"include_bias": True}),
        ({"family": "qwen2"}, 2, {"include_qkv_bias": True}),
    ],
)
def test_llada_layout_in_all_its_forms(tmp_path, options, shards, entries):
    original = make_tiny(**options)
    write_llada(tmp_path, original, shards, **entries)
    ids = torch.randint(4, 64, (2, 11))
    torch.testing.assert_close(logits_of(load_model(tmp_path), ids), logits_of(original, ids))


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3"])
def test_plain_folders_and_their_own_entries(tmp_path, family):
    original = make_tiny(family)
    original.model.config.causal_lm = True
    original.model.config.chat_format = "chatml"
    original.model.save_pretrained(tmp_path)
    loaded = load_model(tmp_path)
    assert (loaded.spec.family, loaded.spec.causal, loaded.spec.chat_format) == (family, True, "chatml")
    ids = torch.randint(4, 64, (1, 9))
    torch.testing.assert_close(logits_of(loaded, ids), logits_of(original, ids))


@pytest.mark.parametrize("layout", ["llada", "dream"])
def test_a_saved_copy_loads_again(tmp_path, layout, request):
    loaded = request.getfixturevalue(layout)
    loaded.model.save_pretrained(tmp_path)
    again = load_model(tmp_path)
    ids = torch.randint(0, 126, (1, 9))
    assert torch.equal(logits_of(again, ids), logits_of(loaded, ids))
    assert again.spec.shift_logits == loaded.spec.shift_logits


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3"])
def test_bidirectional_as_a_whole_and_layer_by_layer(tmp_path, family):
    make_tiny(family).model.save_pretrained(tmp_path)
    loaded = load_model(tmp_path)
    ids = torch.randint(4, 64, (1, 6))
    changed = ids.clone()
    changed[0, -1] = 60
    assert not torch.equal(logits_of(loaded, ids)[0, 0], logits_of(loaded, changed)[0, 0])
    inner = loaded.model.model
    with torch.inference_mode():
        hidden = inner.embed_tokens(ids)
        positions = inner.rotary_emb(hidden, torch.arange(6)[None])
        before = inner.layers[0](hidden, position_embeddings=positions)
        hidden[0, -1] += 1
        after = inner.layers[0](hidden, position_embeddings=positions)
    assert not torch.equal(before[0, 0], after[0, 0])


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3"])
def test_causal_view_is_causal_shares_weights_and_leaves_the_model_alone(tiny, family):
    loaded = tiny(family)
    view = causal_view(loaded)
    ids = torch.randint(4, 64, (1, 7))
    changed = ids.clone()
    changed[0, -1] = (ids[0, -1] + 1) % 60
    before = logits_of(loaded, ids)
    torch.testing.assert_close(logits_of(view, ids)[0, :-1], logits_of(view, changed)[0, :-1])
    assert not torch.equal(logits_of(view, ids), before)
    assert torch.equal(logits_of(loaded, ids), before)
    pairs = zip(loaded.model.parameters(), view.model.parameters(), strict=True)
    assert all(ours is theirs for ours, theirs in pairs)


@pytest.mark.parametrize("quantize", ["int8", "nf4"])
def test_quantised_weights_stay_close(tmp_path, quantize):
    original = make_tiny(hidden_size=64, head_dim=16, intermediate_size=128, initializer_range=0.1)
    original.model.save_pretrained(tmp_path)
    loaded = load_model(tmp_path, quantize=quantize)
    ids = torch.randint(4, 64, (1, 8))
    dense, rounded = logits_of(original, ids), logits_of(loaded, ids).float()
    error = ((rounded - dense).norm() / dense.norm()).item()
    assert 0 < error < (0.05 if quantize == "int8" else 0.5)


def test_dtype_follows_the_checkpoint_where_the_device_can_compute_in_it(tmp_path, monkeypatch):
    make_tiny().model.bfloat16().save_pretrained(tmp_path)
    assert load_model(tmp_path, dtype=torch.float32).model.dtype == torch.float32
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    for native in (True, False):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda native=native: native)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
        expected = torch.bfloat16 if native else torch.float32
        assert load_model(tmp_path, device="cpu").model.dtype == expected
    assert default_dtype(torch.float32, cpu) == torch.float32
    assert default_dtype(torch.float16, cpu) == torch.float32
    assert default_dtype(torch.bfloat16, gpu) == torch.bfloat16


def test_unknown_names_list_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown model 'no-such-model'.*bundled") as error:
        load_model("no-such-model")
    assert all(name in str(error.value) for name in MODELS)


def test_missing_and_extra_tensors_are_named(tmp_path):
    weights = write_llada(tmp_path, make_tiny())
    gone = weights.pop("model.transformer.blocks.1.ff_proj.weight")
    weights["model.transformer.blocks.1.gate.weight"] = gone
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(
        ValueError, match=r"missing model\.layers\.1\.mlp\.gate_proj\.weight; not expected .*blocks\.1\.gate"
    ):
        load_model(tmp_path)


def test_wrong_shapes_and_cut_files_are_refused(tmp_path):
    weights = write_llada(tmp_path, make_tiny())
    save_file(weights | {"model.transformer.ln_f.weight": torch.ones(31)}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="do not fit"):
        load_model(tmp_path)
    whole = (FIXTURES / "tiny-llada" / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="damaged or cut short"):
        load_model(tmp_path)


def test_a_shard_that_the_index_names_but_nobody_has(tmp_path):
    write_llada(tmp_path, make_tiny(), shards=3)
    (tmp_path / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(ValueError, match="model-00002-of-00003"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"mask_token_id": None}, "needs mask_token_id"),
        ({"mask_token_id": 4096}, "from 0 to 127"),
        ({"model_type": "bert"}, "model_type 'bert' cannot run here"),
        ({"alibi": True}, "alibi"),
        ({"layer_norm_type": "default"}, "layer_norm_type"),
    ],
)
def test_configs_that_cannot_run(tmp_path, entries, message):
    shutil.copytree(FIXTURES / "tiny-llada", tmp_path, dirs_exist_ok=True)
    raw = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(raw | entries))
    with pytest.raises(ValueError, match=message):
        load_model(tmp_path)


def test_folders_without_config_or_safetensors(tmp_path):
    with pytest.raises(ValueError, match=r"no config\.json"):
        load_model(tmp_path)
    shutil.copy(FIXTURES / "tiny-llada" / "config.json", tmp_path)
    torch.save(load_file(FIXTURES / "tiny-llada" / "model.safetensors"), tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match="only safetensors"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"quantize": "int3"}, "quantize must be"), ({"device": "cpu", "device_map": "auto"}, "give one of them")],
)
def test_arguments_that_make_no_sense(arguments, message):
    with pytest.raises(ValueError, match=message):
        load_model(FIXTURES / "tiny-llada", **arguments)
