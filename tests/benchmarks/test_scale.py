"""The benchmark at the size of LLaDA-8B, on a checkpoint of a few kilobytes."""

import json

import pytest
import torch

from sinkprune.benchmarks import scale, scale_steps
from sinkprune.benchmarks.scale_checkpoint import Shape, split_over, write_checkpoint
from sinkprune.models import load_model
from sinkprune.pruning import UNSTRUCTURED

TINY = Shape(layers=5, hidden=32, heads=4, mlp=48, vocabulary=64)
SIZES = [word for name, size in vars(TINY).items() for word in (f"--{name}", str(size))]


@pytest.fixture
def run_scale(tmp_path, monkeypatch):
    """Arguments -> step -> its line, with short answers."""
    monkeypatch.setattr(scale_steps, "GEN_LENGTH", 32)
    monkeypatch.setattr(scale_steps, "RULES", {"4 tokens a step": {"steps": 8}})

    def run(*arguments: str) -> dict[str, dict]:
        output = tmp_path / "scale.jsonl"
        scale.main([str(output), "--devices", "cpu", "--samples", "3", "--length", "16", *SIZES, *arguments])
        return {line["step"]: line for line in map(json.loads, output.read_text().splitlines())}

    return run


def test_every_step_is_measured(run_scale):
    lines = run_scale()
    assert list(lines) == ["machine", *(name for name, *_ in scale.STEPS)]
    assert [line for line in lines.values() if "error" in line or "skipped" in line] == []
    assert set(UNSTRUCTURED) <= set(lines)
    for method in UNSTRUCTURED:
        assert lines[method]["sparsity"] == pytest.approx(0.5, abs=0.01)
        assert lines[method]["samples"] == (0 if method == "magnitude" else 3)
    assert lines["record"]["same_tokens"]
    assert {row["dense_forwards"] for row in lines["decode"]["modes"].values()} == {8}
    assert lines["save"]["largest_difference"] == 0
    assert lines["save"]["zeros_in_a_linear"] == pytest.approx(0.5, abs=0.05)


def test_a_step_that_time_does_not_allow_says_so(run_scale):
    lines = run_scale("--budget-minutes", "0.001")
    assert all("s were left" in line["skipped"] for line in list(lines.values())[2:])


def test_a_step_that_fails_leaves_its_error_and_the_others_run(run_scale, monkeypatch):
    def failing(run):
        raise RuntimeError("no room")

    steps = [(name, failing if name == "record" else do, least) for name, do, least in scale.STEPS[:4]]
    monkeypatch.setattr(scale, "STEPS", steps)
    lines = run_scale()
    assert lines["record"]["error"] == "RuntimeError: no room"
    assert "sparsity" in lines["magnitude"]


def test_the_checkpoint_is_as_large_as_its_shape_says_and_the_same_for_a_seed(tmp_path):
    sizes = [write_checkpoint(tmp_path / name, TINY, torch.device("cpu"), seed=3) for name in ("one", "two")]
    assert sizes == [TINY.bytes] * 2
    one, two = (load_model(tmp_path / name).model.state_dict() for name in ("one", "two"))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert all(tensor.isfinite().all() for tensor in one.values())


def test_layers_are_split_evenly_and_in_order():
    devices = [torch.device("cpu", number) for number in range(2)]
    places = split_over(devices, TINY.layers)
    assert [places[f"model.layers.{layer}"].index for layer in range(TINY.layers)] == [0, 0, 0, 1, 1]
    assert (places["model.embed_tokens"].index, places["lm_head"].index) == (0, 1)
