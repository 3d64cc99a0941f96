"""A pruned copy is saved as its checkpoint was: the same files, names, shapes, dtypes and config, and loads again as the same model."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from sinkprune.models import ModelInfo, load_model, registry, save_model, saving
from sinkprune.pruning import PruneConfig, prune_model, quantise
from tests.tiny_models import FIXTURES, make_tiny

IDS = torch.arange(4, 24)[None]


def logits_of(loaded):
    with torch.inference_mode():
        return loaded.model(IDS).logits


def tensors_of(folder) -> dict[str, dict[str, torch.Tensor]]:
    return {path.name: load_file(path) for path in sorted(folder.glob("*.safetensors"))}


def as_sharded_bf16(source, folder) -> None:
    """The tiny LLaDA as its big sisters are stored: two files, an index, bfloat16, a tokenizer and code beside it."""
    shutil.copytree(source, folder)
    tensors = {name: tensor.bfloat16() for name, tensor in load_file(folder / "model.safetensors").items()}
    (folder / "model.safetensors").unlink()
    files = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    index = {name: files[i % 2] for i, name in enumerate(sorted(tensors))}
    for file in files:
        save_file({n: t for n, t in tensors.items() if index[n] == file}, folder / file, {"format": "pt"})
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    (folder / "special_tokens_map.json").write_text("{}")
    (folder / "modeling_llada.py").write_text("raise RuntimeError('this must never run')\n")
    (folder / "evaluation.json").write_text("{}")


@pytest.mark.parametrize("layout", ["tiny-llada", "tiny-dream"])
def test_the_original_layout_comes_back(tmp_path, layout):
    source = FIXTURES / layout
    pruned = prune_model(load_model(source), PruneConfig("magnitude", 0.5)).loaded
    assert save_model(pruned, source, tmp_path / "saved") == "original"
    assert (tmp_path / "saved" / "config.json").read_bytes() == (source / "config.json").read_bytes()
    old, new = tensors_of(source), tensors_of(tmp_path / "saved")
    assert {file: list(part) for file, part in new.items()} == {file: list(part) for file, part in old.items()}
    changed = {name for file in old for name in old[file] if not torch.equal(old[file][name], new[file][name])}
    assert len(changed) == 4 * 7  # the linears of the blocks; embedding, norms and head as they were
    again = load_model(tmp_path / "saved")
    assert torch.equal(logits_of(again), logits_of(pruned))
    assert again.spec.shift_logits == pruned.spec.shift_logits


def test_shards_dtypes_and_other_files_are_those_of_the_checkpoint(tmp_path):
    as_sharded_bf16(FIXTURES / "tiny-llada", tmp_path / "source")
    loaded = load_model(tmp_path / "source", dtype=torch.float32)
    pruned = prune_model(loaded, PruneConfig("magnitude", pattern=(2, 4))).loaded
    save_model(pruned, tmp_path / "source", tmp_path / "saved")
    names = {path.name for path in (tmp_path / "source").iterdir()} - {"evaluation.json"}
    assert {path.name for path in (tmp_path / "saved").iterdir()} == names
    old, new = tensors_of(tmp_path / "source"), tensors_of(tmp_path / "saved")
    assert {f: {n: t.dtype for n, t in part.items()} for f, part in new.items()} == {
        f: dict.fromkeys(part, torch.bfloat16) for f, part in old.items()
    }
    assert torch.equal(logits_of(load_model(tmp_path / "saved", dtype=torch.float32)), logits_of(pruned))


@pytest.mark.parametrize("tied", [True, False])
def test_plain_folders_tied_or_not(tmp_path, tied):
    make_tiny("qwen2", tie_word_embeddings=tied).model.save_pretrained(tmp_path / "source")
    loaded = load_model(tmp_path / "source")
    save_model(loaded, tmp_path / "source", tmp_path / "saved")
    assert tensors_of(tmp_path / "saved").keys() == tensors_of(tmp_path / "source").keys()
    assert torch.equal(logits_of(load_model(tmp_path / "saved")), logits_of(loaded))


def test_what_only_the_registry_knows_is_written_down(tmp_path, monkeypatch):
    shutil.copytree(FIXTURES / "tiny-llada", tmp_path / "source")
    info = ModelInfo("small", tmp_path / "source", "small", defaults=(("chat_format", "chatml"), ("mask_token_id", 1)))
    monkeypatch.setitem(registry.MODELS, "small", info)
    loaded = load_model("small")
    save_model(loaded, "small", tmp_path / "saved")
    spec = load_model(tmp_path / "saved").spec
    assert (spec.chat_format, spec.mask_token_id) == ("chatml", loaded.spec.mask_token_id)


def test_a_smaller_model_is_saved_in_the_plain_layout(tmp_path, llada):
    ids = torch.randint(4, 100, (2, 12))
    pruned = prune_model(llada, PruneConfig("structured", 0.3), calibration_ids=ids).loaded
    assert save_model(pruned, FIXTURES / "tiny-llada", tmp_path / "saved") == "plain"
    assert torch.equal(logits_of(load_model(tmp_path / "saved")), logits_of(pruned))


def test_what_cannot_be_saved_is_said(tmp_path, llada):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="choose another one"):
        save_model(llada, FIXTURES / "tiny-llada", tmp_path / "full")
    with pytest.raises(ValueError, match="was it loaded from there"):
        save_model(make_tiny(), FIXTURES / "tiny-llada", tmp_path / "other")
    assert not (tmp_path / "other").exists()
    with pytest.raises(ValueError, match="is quantised"):
        save_model(quantise(llada, "int8").loaded, FIXTURES / "tiny-llada", tmp_path / "small")


def test_a_save_that_stops_half_way_leaves_nothing(tmp_path, llada, monkeypatch):
    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(saving, "save_file", stop)
    with pytest.raises(KeyboardInterrupt):
        save_model(llada, FIXTURES / "tiny-llada", tmp_path / "saved")
    assert list(tmp_path.iterdir()) == []
