"""prune: both families of option names, what it saves, and what it refuses."""

import json
import sys
import types

import pytest
import torch
from safetensors.torch import load_file

from sinkprune.models import load_model
from sinkprune.pruning import CalibrationConfig, PruneConfig, prune_model
from tests.tiny_models import FIXTURES

FEW = ("--samples", "3", "--length", "16")


def test_the_saved_copy_is_the_pruned_model(run, model_folder, tmp_path):
    saved = tmp_path / "saved"
    code, out, err = run("prune", "--sparsity", "0.6", "--seed", "5", *FEW, "--save", str(saved))
    assert code == 0, err
    assert "sink-wanda: asked 60.00%" in out
    assert "original layout" in out
    assert "calibrating on 3 x 16 tokens of bundled" in err
    assert "not faster" in err
    loaded = load_model(model_folder)
    expected = prune_model(loaded, PruneConfig("sink-wanda", 0.6), CalibrationConfig(3, 16, 5)).loaded.model
    again = load_model(saved)
    assert all(torch.equal(a, b) for a, b in zip(again.model.parameters(), expected.parameters(), strict=True))
    assert again.tokenizer.get_vocab() == loaded.tokenizer.get_vocab()
    record = json.loads((saved / "sinkprune.json").read_text())
    assert record["pruning"]["sparsity"] == 0.6
    assert record["calibration"] == {"samples": 3, "length": 16, "seed": 5, "source": "bundled"}


def test_the_official_option_names_do_the_same(run, tmp_path):
    official = ["--prune_method", "sink_sgpt", "--sparsity_ratio", "0.5", "--sparsity_type", "2:4"]
    official += ["--nsamples", "3", "--length", "16", "--seed", "1", "--save_model", str(tmp_path / "one")]
    own = ["--method", "sink-sparsegpt", "--pattern", "2:4", *FEW, "--seed", "1", "--save", str(tmp_path / "two")]
    assert run("prune", *official)[0] == run("prune", *own)[0] == 0
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    assert all(torch.equal(one[name], two[name]) for name in two)
    zeros = one["model.layers.0.mlp.up_proj.weight"].reshape(-1, 4).eq(0).sum(1)
    assert (zeros == 2).all()


def test_the_original_layout_is_kept(run, tmp_path):
    source, saved = FIXTURES / "tiny-llada", tmp_path / "saved"
    assert run("prune", "--model", str(source), "--prune_method", "magnitude", "--save_model", str(saved))[0] == 0
    assert (saved / "config.json").read_bytes() == (source / "config.json").read_bytes()
    assert load_file(saved / "model.safetensors").keys() == load_file(source / "model.safetensors").keys()


def test_without_a_folder_it_only_reports(run):
    code, out, _ = run("prune", "--method", "magnitude", "--sparsity", "0.25")
    assert code == 0
    assert "25.00%" in out
    assert "saved" not in out


def test_a_hub_out_of_reach_is_said_and_the_built_in_text_used(run, monkeypatch, tmp_path):
    def load_dataset(**place):
        raise ConnectionError("Couldn't reach the Hub")

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load_dataset))
    code, _, err = run("prune", "--calib_dataset", "wikitext2", *FEW, "--save", str(tmp_path / "saved"))
    assert code == 0
    assert "wikitext2 could not be fetched from the hub (Couldn't reach the Hub): the built-in text is used" in err
    assert json.loads((tmp_path / "saved" / "sinkprune.json").read_text())["calibration"]["source"] == "bundled"


def test_a_text_file_calibrates(run, tmp_path):
    (tmp_path / "text.txt").write_text("the quick brown fox jumps over the lazy dog. " * 9)
    code, _, err = run("prune", "--calibration", str(tmp_path / "text.txt"), *FEW)
    assert code == 0
    assert "text.txt" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--sparsity", "1.5"], "share between 0 and 1"),
        (["--sparsity", "nan"], "share between 0 and 1"),
        (["--pattern", "2:4", "--sparsity", "0.7"], "2:4 is a sparsity of 0.5"),
        (["--method", "structured", "--sparsity", "0.9"], "removes a share of 0 to 0.7"),
        (["--method", "random"], "invalid choice"),
        (["--nsamples", "0"], "at least 1 sequence"),
        (["--calibration", "/no/such/text.txt"], "cannot be read"),
        (["--length", "10000000"], "use a shorter one"),
        (["--save", str(FIXTURES)], "choose another one"),
        (["--model", str(FIXTURES / "tiny-llada")], "has no tokenizer"),
    ],
)
def test_what_cannot_be_done_is_said_with_exit_code_2(run, arguments, words):
    code, out, err = run("prune", *arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert "Traceback" not in err
