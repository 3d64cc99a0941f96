"""generate, trace and compare on a tiny model: what they print and write, and what they refuse."""

import gzip
import io
import json
import shutil

import pytest
import torch

from sinkprune.decoding import DecodeConfig, autoregress, generate
from sinkprune.models import decode_answer, encode_prompt, load_model
from sinkprune.traces.check import check_trace

SHORT = ("--gen-length", "16")


def test_generate_prints_the_answer_and_nothing_else(run, model_folder):
    loaded = load_model(model_folder)
    prompt = encode_prompt(loaded, "why is the sky blue?")
    config = DecodeConfig(gen_length=16, block_length=8, steps=16, cache="dual")
    expected = decode_answer(loaded, generate(loaded, prompt, config).tokens[:, prompt.shape[1] :])
    code, out, err = run(
        "generate", "why is the sky blue?", *SHORT, "--block-length", "8", "--steps", "16", "--cache", "dual"
    )
    assert (code, out) == (0, expected + "\n")
    assert "16 forward passes" in err


def test_generate_writes_token_by_token_where_asked_and_where_the_model_does_nothing_else(run, model_folder, tmp_path):
    loaded = load_model(model_folder)
    steps = list(autoregress(loaded, encode_prompt(loaded, "hello"), 16))
    expected = decode_answer(loaded, steps[-1].canvas[:, 5:])
    assert run("generate", "hello", *SHORT, "--autoregressive")[:2] == (0, expected + "\n")
    reference = tmp_path / "reference"
    shutil.copytree(model_folder, reference)
    config = json.loads((reference / "config.json").read_text())
    (reference / "config.json").write_text(json.dumps(config | {"causal_only": True}))
    assert run("generate", "hello", *SHORT, "--model", str(reference))[:2] == (0, expected + "\n")
    output = tmp_path / "run.json"
    assert run("trace", "hello", *SHORT, "--model", str(reference), "--output", str(output))[0] == 0
    trace = json.loads(output.read_text())
    check_trace(trace)
    assert [lane["kind"] for lane in trace["lanes"]] == ["ar"]
    for command in (["evaluate", "--text", __file__, "--length", "8"], ["prune", "--samples", "2", "--length", "8"]):
        code, _, err = run(*command, "--model", str(reference))
        assert code == 2, err
        assert "MASK" in err


def test_a_prompt_comes_from_standard_input(run, monkeypatch):
    given = run("generate", "hello", *SHORT)[1]
    monkeypatch.setattr("sys.stdin", io.StringIO("hello\n"))
    assert run("generate", "-", *SHORT)[1] == given


@pytest.mark.parametrize(("name", "lanes"), [("run.json", ("dlm", "ar")), ("run.json.gz", ("dlm",))])
def test_trace_writes_what_the_player_reads(run, tmp_path, name, lanes):
    path = tmp_path / name
    assert run("trace", "hello", *SHORT, "--output", str(path), "--lanes", *lanes)[0] == 0
    content = path.read_bytes()
    trace = json.loads(gzip.decompress(content) if name.endswith("gz") else content)
    check_trace(trace)
    assert tuple(lane["kind"] for lane in trace["lanes"]) == lanes
    assert all(lane["done"] for lane in trace["lanes"])
    assert trace["prompt"] == "hello"


def test_compare_prints_both_answers_and_what_they_cost(run, tmp_path):
    path = tmp_path / "both.json"
    code, out, _ = run("compare", "hello", *SHORT, "--method", "magnitude", "--sparsity", "0.6", "--output", str(path))
    assert code == 0
    assert out.index("Dense:") < out.index("magnitude, 60 % pruned:") < out.index("Forward passes")
    trace = json.loads(path.read_text())
    check_trace(trace)
    assert trace["settings"]["pruning"]["sparsity"] == 0.6


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["generate", " "], "type a few words"),
        (["generate", "a", "--gen-length", "30", "--block-length", "16"], "must divide gen_length 30"),
        (["generate", "a", "--gen-length", "1000"], "the model reads 256 at most"),
        (["generate", "a", "--threshold", "2"], "threshold is a probability"),
        (["generate", "a", "--threshold", "0.9", "--factor", "1"], "not allowed with"),
        (["generate", "a", "--seed", "-1"], "seed must be"),
        (["generate", "a", "--device", "toaster"], "no device"),
        (["generate", "a", "--model", "no-such-model"], "unknown model"),
        (["generate", "a", "--model", "/no/such/folder"], "unknown model"),
        (["trace", "a"], "--output"),
        (["trace", "a", "--output", "/no/such/folder/run.json"], "no file in a folder that exists"),
        (["trace", "a" * 2000, "--output", "run.json"], "shorten it"),
        (["compare", "a", "--sparsity", "1.5"], "share between 0 and 1"),
    ],
)
def test_what_cannot_be_done_is_said_with_exit_code_2(run, arguments, words):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert "Traceback" not in err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_said(run):
    assert run("generate", "a", "--device", "cuda:0")[::2] == (
        2,
        "python -m sinkprune generate: there is no GPU that torch can use here: leave --device out\n",
    )


def test_generate_and_trace_change_what_was_asked(run, tmp_path):
    sparse = ("--block-length", "8", "--cache", "sparse", "--retention", "0.25", "--keep", "sinks", "--kernel", "3")
    assert run("generate", "hello", *SHORT, *sparse)[0] == 0
    assert run("generate", "hello", *SHORT, "--cfg-scale", "0.5", "--steps", "16")[2].count("32 forward passes") == 1
    code, out, _ = run("generate", "hello", *SHORT, "--blanks", "ab ___ cd", "--blank-tokens", "3")
    assert code == 0
    assert out.replace(" ", "").startswith("ab")  # the tiny model's tokenizer knows single letters alone
    for name, options, key in (
        ("cover", ("--cover", "leading", "--cover-count", "2", "--cover-same"), "covered"),
        ("heads", ("--leave-out-heads", "highest", "--heads", "1"), "leftOut"),
        ("keys", (*sparse, "--candidates"), "kept"),
    ):
        path = tmp_path / f"{name}.json"
        assert run("trace", "hello", *SHORT, "--controls", *options, "--output", str(path))[0] == 0
        trace = json.loads(path.read_text())
        check_trace(trace)
        assert len(trace["lanes"]) == 3
        assert key in trace["lanes"][1]["frames"][1]
        assert trace["settings"]["controls"] is True


def test_trace_touches_a_token_and_goes_on(run, tmp_path):
    path = tmp_path / "touched.json"
    options = (*SHORT, "--lanes", "dlm", "--candidates", "--value-norms", "--output", str(path))
    assert run("trace", "hello", *options, "--edit", "1", "12", "a", "--edit", "2", "13")[0] == 0
    trace = json.loads(path.read_text())
    check_trace(trace)
    assert trace["settings"]["touched"]["edits"] == [[1, 12, "a"], [2, 13, None]]
    assert [lane["title"] for lane in trace["lanes"]] == ["Touched after step 1", "Touched after step 1 and 2"]
    assert {"candidates", "values", "edits"} <= trace["lanes"][1]["frames"][2].keys()
    for bad in (
        ("--edit", "1"),
        ("--edit", "x", "12"),
        ("--edit", "1", "12", "--edit-lane", "2"),
        ("--edit", "1", "0"),
    ):
        code, _, err = run("trace", "hello", *options, *bad)
        assert code == 2
        assert len(err.split()) > 4


@pytest.mark.parametrize(
    "options",
    [
        ("--cover", "leading", "--cover-count", "11"),
        ("--cover", "given"),
        ("--cover", "leading", "--leave-out-heads", "lowest"),
        ("--leave-out-heads", "lowest", "--heads", "1000"),
        ("--retention", "0.2"),
        ("--cache", "sparse", "--kernel", "2"),
        ("--cfg-scale", "99"),
        ("--blanks", "none"),
        ("--blanks", "___", "--blank-tokens", "9"),
        ("--blanks", "___", "--autoregressive"),
    ],
)
def test_a_change_that_cannot_be_made_is_refused_in_words(run, options):
    code, out, err = run("generate", "hello", *SHORT, *options)
    assert (code, out) == (2, "")
    assert len(err.split()) > 4
