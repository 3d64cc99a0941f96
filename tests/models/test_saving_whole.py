"""What loads can be saved: in its own dtypes, never larger, whatever lies beside it. What cannot be written is refused before the work."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sinkprune.cli import main
from sinkprune.models import check_save, left_behind, load_model, save_model, writing
from sinkprune.pruning import PruneConfig, prune_model
from tests.models.test_loading import write_llada
from tests.models.test_saving import as_sharded_bf16, logits_of, tensors_of
from tests.tiny_models import FIXTURES, make_tiny, save_tiny

ROOT = Path(__file__).parents[2]
IDS = torch.randint(4, 60, (2, 12), generator=torch.Generator().manual_seed(0))
METHODS = ["magnitude", "wanda", "structured", "sink-structured"]


def size_of(folder) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))


def plain_folder(folder, family="llama", dtype=torch.float32, **config) -> Path:
    make_tiny(family, **config).model.to(dtype).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("method", "dtype"),
    [*((method, torch.bfloat16) for method in METHODS), ("structured", torch.float16), ("structured", torch.float32)],
)
def test_a_copy_has_the_dtype_of_its_checkpoint_and_is_never_larger(tmp_path, method, dtype):
    source = plain_folder(tmp_path / "source", dtype=dtype)
    loaded = load_model(source, dtype=torch.float32)
    pruned = prune_model(loaded, PruneConfig(method, 0.4), calibration_ids=IDS).loaded
    save_model(pruned, source, tmp_path / "saved")
    saved = load_file(tmp_path / "saved" / "model.safetensors")
    assert {tensor.dtype for tensor in saved.values()} == {dtype}
    assert size_of(tmp_path / "saved") <= size_of(source) + 200  # a header may be some bytes longer
    config = json.loads((tmp_path / "saved" / "config.json").read_text())
    assert config["dtype"] == str(dtype).removeprefix("torch.")
    again = load_model(tmp_path / "saved", dtype=torch.float32)
    rounded = {name: tensor.to(dtype).float() for name, tensor in pruned.model.state_dict().items()}
    assert all(torch.equal(tensor, rounded[name]) for name, tensor in again.model.state_dict().items())


@pytest.mark.parametrize("method", ["wanda", "structured"])
def test_a_sharded_original_layout_stays_in_as_many_files(tmp_path, method):
    as_sharded_bf16(FIXTURES / "tiny-llada", tmp_path / "source")
    loaded = load_model(tmp_path / "source", dtype=torch.float32)
    pruned = prune_model(loaded, PruneConfig(method, 0.4), calibration_ids=IDS).loaded
    save_model(pruned, tmp_path / "source", tmp_path / "saved")
    old, new = tensors_of(tmp_path / "source"), tensors_of(tmp_path / "saved")
    assert {file: len(part) for file, part in new.items()} == {file: len(part) for file, part in old.items()}
    assert {tensor.dtype for part in new.values() for tensor in part.values()} == {torch.bfloat16}
    assert size_of(tmp_path / "saved") <= size_of(tmp_path / "source") + 200
    again = load_model(tmp_path / "saved", dtype=torch.bfloat16)
    assert again.model.state_dict().keys() == pruned.model.state_dict().keys()


LAYOUTS = {
    "llama": {},
    "llama tied": {"tie_word_embeddings": True},
    "llama with biases": {"attention_bias": True, "mlp_bias": True},
    "qwen2": {"family": "qwen2"},
    "qwen2 tied": {"family": "qwen2", "tie_word_embeddings": True},
    "qwen3": {"family": "qwen3"},
}


@pytest.mark.parametrize("method", ["magnitude", "sink-structured"])
@pytest.mark.parametrize(
    "layout", [*LAYOUTS, "a2d-llama", "a2d-qwen2", "a2d-qwen3", "Dream", "llada", "mmada", "pruned"]
)
def test_every_layout_that_loads_is_saved(tmp_path, layout, method):
    source = tmp_path / "source"
    if layout in LAYOUTS:
        plain_folder(source, **LAYOUTS[layout])
    elif layout in ("llada", "mmada"):
        write_llada(source, make_tiny(), shards=3, model_type=layout)
    elif layout == "pruned":
        cut = prune_model(load_model(plain_folder(tmp_path / "dense")), PruneConfig("structured", 0.2), None, IDS)
        save_model(cut.loaded, tmp_path / "dense", source)
    else:
        plain_folder(source, "qwen2" if layout == "Dream" else layout.removeprefix("a2d-"))
        config = json.loads((source / "config.json").read_text())
        (source / "config.json").write_text(json.dumps(config | {"model_type": layout}))
    loaded = load_model(source)
    check_save(loaded, source, tmp_path / "saved")
    pruned = prune_model(loaded, PruneConfig(method, 0.4), calibration_ids=IDS).loaded
    save_model(pruned, source, tmp_path / "saved")
    again = load_model(tmp_path / "saved")
    assert torch.equal(logits_of(again), logits_of(pruned))
    assert again.spec.shift_logits == loaded.spec.shift_logits
    assert size_of(tmp_path / "saved") <= size_of(source) + 1000


@pytest.mark.parametrize("method", ["magnitude", "structured"])
def test_what_lies_beside_a_checkpoint_is_carried_or_left_and_never_in_the_way(tmp_path, method):
    source = tmp_path / "source"
    save_tiny(source)
    weights = load_file(source / "model.safetensors")
    computed = {f"model.layers.{i}.self_attn.rotary_emb.inv_freq": torch.ones(4) for i in range(3)}
    save_file(weights | computed, source / "model.safetensors")
    save_file({"other": torch.ones(3)}, source / "consolidated.safetensors")
    save_file({"lora": torch.ones(3)}, source / "adapter_model.safetensors")
    for name in ("LICENSES", "tokenizer", "chat_templates", "onnx"):
        (source / name).mkdir()
        (source / name / "inside.txt").write_text(name)
    (source / "README.md").write_text("about the dense model")
    (source / "pytorch_model.bin.index.json").write_text("{}")
    loaded = load_model(source)
    check_save(loaded, source, tmp_path / "saved")
    pruned = prune_model(loaded, PruneConfig(method, 0.4), calibration_ids=IDS).loaded
    save_model(pruned, source, tmp_path / "saved")
    assert torch.equal(logits_of(load_model(tmp_path / "saved")), logits_of(pruned))
    here = {path.name for path in (tmp_path / "saved").iterdir()}
    left = {
        "README.md",
        "adapter_model.safetensors",
        "consolidated.safetensors",
        "onnx",
        "pytorch_model.bin.index.json",
    }
    assert set(left_behind(source)) == left
    assert here == {path.name for path in source.iterdir()} - left
    assert (tmp_path / "saved" / "LICENSES" / "inside.txt").read_text() == "LICENSES"
    stored = load_file(tmp_path / "saved" / "model.safetensors")
    assert (computed.keys() <= stored.keys()) == (method == "magnitude")


def must_not_prune(monkeypatch):
    def fail(*arguments, **options):
        raise AssertionError("pruned before the refusal")

    monkeypatch.setattr("sinkprune.commands.prune.prune", fail)


@pytest.mark.parametrize("place", ["file/sub", "file", "locked/sub"])
def test_a_folder_that_cannot_be_made_is_refused_before_the_work(tmp_path, place, monkeypatch, capsys):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "locked").mkdir(mode=0o500)
    if os.geteuid() == 0:  # root may write anywhere
        monkeypatch.setattr(writing.os, "access", lambda path, mode: "locked" not in str(path))
    must_not_prune(monkeypatch)
    target = str(tmp_path / place)
    assert main(["prune", "--model", str(FIXTURES / "tiny-llada"), "--method", "magnitude", "--save", target]) == 2
    assert "another folder" in capsys.readouterr().err.replace("another one", "another folder")


def test_a_disk_without_room_is_refused_before_the_work(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(writing.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 9, 0))
    must_not_prune(monkeypatch)
    target = str(tmp_path / "saved")
    assert main(["prune", "--model", str(FIXTURES / "tiny-llada"), "--method", "magnitude", "--save", target]) == 2
    assert "make room" in capsys.readouterr().err


def test_an_empty_folder_that_exists_is_filled_and_deep_ones_are_made(tmp_path, llada):
    (tmp_path / "there").mkdir()
    for target in (tmp_path / "there", tmp_path / "a" / "b" / "c"):
        save_model(llada, FIXTURES / "tiny-llada", target, {"why": "test"})
        assert torch.equal(logits_of(load_model(target)), logits_of(llada))
        assert json.loads((target / "sinkprune.json").read_text()) == {"why": "test"}
        assert not list(target.parent.glob(".*partial"))


def prune_into(folder, model, **options) -> subprocess.Popen:
    command = [sys.executable, "-m", "sinkprune", "prune", "--model", str(model), "--method", "magnitude"]
    return subprocess.Popen(
        [*command, "--save", str(folder)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )


def test_a_disk_that_fills_up_is_a_sentence_and_leaves_nothing(tmp_path, model_folder):
    def small_files():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    (tmp_path / "work").mkdir()
    process = prune_into(tmp_path / "work" / "saved", model_folder, preexec_fn=small_files)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "Traceback" not in said
    assert "could not be written" in said
    assert list((tmp_path / "work").iterdir()) == []


def test_a_job_system_that_ends_a_save_finds_no_half_folder(tmp_path):
    source = tmp_path / "source"
    plain_folder(source, vocab_size=300_000, hidden_size=64)  # long enough to be met while it is written
    (tmp_path / "work").mkdir()
    process = prune_into(tmp_path / "work" / "saved", source)
    deadline = time.monotonic() + 100
    while not any((tmp_path / "work").iterdir()) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    left = [path.name for path in (tmp_path / "work").iterdir()]
    if process.returncode == 0:  # it was quicker than the signal
        assert left == ["saved"]
        assert load_model(tmp_path / "work" / "saved")
    else:
        assert (process.returncode, left) == (1, [])
        assert "stopped" in said
        assert "Traceback" not in said
