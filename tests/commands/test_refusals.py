"""What cannot be done is refused before the work: numbers out of bounds, half characters, NaN in a model, files without a place."""

import json

import pytest
import torch

from sinkprune.decoding import DecodeConfig, generate
from sinkprune.lab.likelihood import LikelihoodConfig, masked_likelihood
from sinkprune.models import encode_prompt
from sinkprune.models.limits import SEEDS
from sinkprune.models.writing import json_text, write_whole
from sinkprune.pruning import CalibrationConfig, PruneConfig, prune_model
from tests.tiny_models import make_tiny, save_tiny

TEXT = "the quick brown fox jumps over the lazy dog. " * 40


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return str(path)


@pytest.fixture
def no_work(monkeypatch):
    """Any forward fails."""

    def fail(*arguments, **options):
        raise AssertionError("worked before the refusal")

    for family in ("llama",):
        monkeypatch.setattr(f"transformers.models.{family}.modeling_{family}.{family.capitalize()}Model.forward", fail)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["generate", "hi", "--steps", "0"], "steps 0"),
        (["generate", "hi", "--block-length", "0"], "block_length must be at least 1"),
        (["generate", "hi", "--gen-length", "0"], "gen_length must be at least 1"),
        (["generate", "hi", "--gen-length", "-8"], "gen_length must be at least 1"),
        (["generate", "hi", "--temperature", "nan"], "temperature"),
        (["generate", "hi", "--threshold", "nan"], "threshold"),
        (["generate", "hi", "--factor", "nan"], "factor"),
        (["generate", "hi", "--seed", "-1"], "from 0 to"),
        (["generate", "hi", "--seed", str(SEEDS)], "from 0 to"),
        (["generate", "x" * 300], "shorten the prompt\n"),
        (["generate", "hi", "--gen-length", "512"], "up to 254"),
        (["trace", "x" * 300, "--output", "x.json"], "there is room for: shorten the prompt\n"),
        (["prune", "--length", "257"], "reads 256 at most"),
        (["prune", "--length", "257", "--method", "sparsegpt"], "reads 256 at most"),
        (["prune", "--seed", str(2**64)], "from 0 to"),
        (["prune", "--sparsity", "nan"], "share between 0 and 1"),
        (["compare", "hi", "--length", "300"], "reads 256 at most"),
        (["evaluate", "--text", "TEXT", "--length", "257"], "reads 256 at most"),
        (["evaluate", "--text", "TEXT", "--sequences", "0"], "at least 1"),
        (["evaluate", "--text", "TEXT", "--seed", str(2**63)], "from 0 to"),
        (["evaluate", "--text", "TEXT", "--against", "bundled"], "another tokenizer"),
        (["evaluate", "--text", "TEXT", "--against", "nothing"], "unknown model"),
        (["evaluate", "--text", "TEXT", "--against", "SAME", "--sequences", "1"], "at least 2 texts"),
        (["evaluate", "--tasks", "arc_easy", "--limit", "0"], "at least 1"),
        (["generate", "half a \udce9"], "half a character"),
        (["trace", "half a \udce9", "--output", "x.json"], "half a character"),
        (["compare", "half a \ud83d"], "half a character"),
    ],
)
def test_numbers_and_texts_are_refused_before_any_forward(
    run, no_work, text, model_folder, tmp_path, monkeypatch, command, words
):
    monkeypatch.chdir(tmp_path)
    places = {"TEXT": text, "SAME": str(model_folder)}
    code, out, err = run(*(places.get(part, part) for part in command))
    assert (code, out) == (2, "")
    assert words in err
    assert "up to 0" not in err
    assert "Traceback" not in err


@pytest.mark.parametrize("seed", [-1, SEEDS, 1.5, True, "0", None])
@pytest.mark.parametrize("settings", [DecodeConfig, CalibrationConfig, LikelihoodConfig])
def test_seeds_have_one_bound(settings, seed):
    with pytest.raises(ValueError, match="seed must be a whole number from 0 to 2147483647"):
        settings(seed=seed)
    settings(seed=SEEDS - 1)


def test_the_largest_seed_works_everywhere(tiny):
    ids = torch.randint(4, 64, (1, 9))
    loaded = tiny()
    generate(loaded, ids, DecodeConfig(8, 8, 8, temperature=1.0, seed=SEEDS - 1))
    prune_model(loaded, PruneConfig("sink-wanda"), CalibrationConfig(seed=SEEDS - 1), ids)
    masked_likelihood(loaded, [ids[0], ids[0]], LikelihoodConfig(2, seed=SEEDS - 1))


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """A model whose head has one weight that is no number, and one that is infinite, in two folders."""
    folders = []
    for value in (float("nan"), float("inf")):
        folder = tmp_path_factory.mktemp("broken")
        save_tiny(folder)
        model = make_tiny().model
        model.lm_head.weight[9, 3] = value
        model.config.causal_lm = True
        model.save_pretrained(folder)
        folders.append(str(folder))
    return folders


@pytest.mark.parametrize(
    "command",
    [
        ["generate", "why"],
        ["generate", "why", "--autoregressive"],
        ["generate", "why", "--temperature", "1"],
        ["trace", "why", "--output", "x.json"],
        ["compare", "why", "--method", "magnitude", "--output", "x.json"],
        ["evaluate", "--text", "TEXT", "--output", "x.json"],
    ],
)
def test_a_model_that_computes_nan_stops_with_a_sentence(run, broken, text, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    for folder in broken:
        code, out, err = run(*(text if part == "TEXT" else part for part in command), "--model", folder)
        assert (code, out) == (2, "")
        assert "NaN or infinity" in err
        assert not (tmp_path / "x.json").exists()


def test_prompts_hold_whole_characters(model_folder):
    from sinkprune.models import load_model

    loaded = load_model(model_folder)
    for text in ("a\ud800", "\udfff", "\udce9 bytes of a shell"):
        with pytest.raises(ValueError, match="half a character"):
            encode_prompt(loaded, text)


def test_one_text_has_no_error_and_the_file_says_null(run, text, model_folder, tmp_path):
    target = tmp_path / "out.json"
    code, out, _ = run(
        "evaluate", "--text", text, "--length", "20", "--sequences", "1", "--patterns", "1", "--output", str(target)
    )
    assert code == 0
    assert "nan" not in out
    assert json.loads(target.read_text(), parse_constant=pytest.fail)[str(model_folder)]["standard_error"] is None


def test_json_has_null_for_what_is_no_number():
    value = {"a": float("nan"), "b": [1.5, float("-inf"), {"c": (float("inf"), 2)}], "d": "NaN", "e": True}
    assert json.loads(json_text(value)) == {"a": None, "b": [1.5, None, {"c": [None, 2]}], "d": "NaN", "e": True}


def test_a_file_is_written_whole_or_not(tmp_path, monkeypatch):
    target = tmp_path / "file.json"
    target.write_text("old")
    monkeypatch.setattr("pathlib.Path.replace", lambda *arguments: (_ for _ in ()).throw(OSError("the disk is full")))
    with pytest.raises(OSError, match="full"):
        write_whole(target, b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["file.json"]
    assert target.read_text() == "old"
    monkeypatch.undo()
    write_whole(target, b"new")
    assert target.read_text() == "new"


@pytest.mark.parametrize("place", ["missing/x.json", "."])
def test_a_result_without_a_place_is_refused_before_the_work(run, no_work, text, tmp_path, place):
    for command in (["evaluate", "--text", text], ["trace", "hi"], ["compare", "hi"]):
        code, _, err = run(*command, "--output", str(tmp_path / place))
        assert code == 2
        assert "no file in a folder" in err
