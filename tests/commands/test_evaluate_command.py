"""evaluate: likelihood of a text file, paired with another model; what it refuses. The harness's tasks: tests/lab/test_harness.py."""

import json
import math
import sys

import pytest

from sinkprune.lab.likelihood import LikelihoodConfig, masked_likelihood
from sinkprune.lab.texts import file_texts
from sinkprune.models import load_model


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("the quick brown fox jumps over the lazy dog. " * 9)
    return path


def test_bits_per_token_are_those_of_the_lab(run, text, model_folder, tmp_path):
    asked = ["--text", str(text), "--length", "20", "--sequences", "5", "--patterns", "3", "--seed", "2"]
    code, out, _ = run("evaluate", *asked, "--output", str(tmp_path / "out.json"))
    loaded = load_model(model_folder)
    expected = masked_likelihood(loaded, file_texts(loaded, text, 20, 5), LikelihoodConfig(3, seed=2))
    assert code == 0
    assert f"{expected.bits:.3f} ±" in out
    assert json.loads((tmp_path / "out.json").read_text())[str(model_folder)]["bits"] == pytest.approx(expected.bits)


def test_two_models_are_compared_on_the_same_masks(run, text, model_folder, tmp_path):
    run("prune", "--method", "magnitude", "--sparsity", "0.5", "--save", str(tmp_path / "pruned"))
    asked = ["--text", str(text), "--length", "20", "--patterns", "2"]
    code, out, _ = run("evaluate", "--model", str(tmp_path / "pruned"), "--against", str(model_folder), *asked)
    assert code == 0
    bits = [float(line.split(": ")[1].split(" ±")[0]) for line in out.splitlines()[:2]]
    difference = float(out.splitlines()[2].split("needs ")[1].split(" bits")[0])
    assert difference == pytest.approx(bits[0] - bits[1], abs=0.002)
    same = run("evaluate", "--against", str(model_folder), *asked)[1]
    assert "+0.000 bits" in same


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--text", "/no/such/file"], "cannot be read"),
        (["--patterns", "0"], "at least 1 mask pattern"),
        (["--model", "nothing"], "unknown model"),
        (["--output", "/no/such/folder/x.json"], "no file in a folder"),
        (["--against", "bundled", "--patterns", "1"], "another tokenizer"),
    ],
)
def test_what_cannot_be_done_is_said_with_exit_code_2(run, text, arguments, words):
    given = arguments if "--text" in arguments else ["--text", str(text), "--length", "8", *arguments]
    code, _, err = run("evaluate", *given)
    assert code == 2
    assert words in err


def test_tasks_without_the_harness_say_how_to_get_it(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    monkeypatch.setitem(sys.modules, "lm_eval.utils", None)
    code, _, err = run("evaluate", "--tasks", "arc_easy")
    assert code == 2
    assert "pip install lm_eval" in err


def test_a_likelihood_is_a_number(run, text):
    out = run("evaluate", "--text", str(text), "--length", "20", "--patterns", "1")[1]
    assert math.isfinite(float(out.split(": ")[1].split(" ±")[0]))
