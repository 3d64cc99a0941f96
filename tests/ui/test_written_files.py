"""What one part writes another reads: traces and results of the command line, saved models, figure data."""

import csv
import io
import json

import pytest

from sinkprune.cli import main
from sinkprune.figures.rows import as_csv, as_json
from sinkprune.models import load_model
from sinkprune.traces.check import read_trace
from sinkprune.ui.sections import watch


@pytest.fixture
def write(model_folder, tmp_path, monkeypatch):
    """Run a command on the tiny model; returns the bytes of the file that the command wrote."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> bytes:
        assert main([*arguments, "--model", str(model_folder)]) == 0
        return (tmp_path / arguments[-1]).read_bytes()

    return call


@pytest.mark.parametrize("name", ["run.json", "run.json.gz"])
def test_a_recorded_run_opens_on_the_page(write, tmp_path, name):
    for command in (["trace", "why"], ["compare", "why", "--method", "magnitude"]):
        trace = read_trace(write(*command, "--gen-length", "8", "--output", name))
        assert trace["prompt"] == "why"
        assert all(lane["done"] and lane["frames"] for lane in trace["lanes"])
        shown = json.dumps(watch._open_saved(str(tmp_path / name)), default=str)
        assert "Opened" in shown


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"\x1f\x8b", b"\xff\xfe{", b'{"format": "sinkprune-trace", "prompt": "\\ud800"}']
)
def test_other_files_are_a_sentence_on_the_page(tmp_path, content):
    (tmp_path / "file.json").write_bytes(content)
    shown = json.dumps(watch._open_saved(str(tmp_path / "file.json")), default=str)
    assert "Not opened" in shown
    shown.encode()


def test_results_of_evaluate_are_json(write, tmp_path):
    (tmp_path / "text.txt").write_text("the quick brown fox. " * 30)
    results = json.loads(
        write("evaluate", "--text", "text.txt", "--length", "20", "--patterns", "1", "--output", "out.json")
    )
    assert all(isinstance(entry["bits"], float) for entry in results.values())


def test_a_saved_model_and_its_record_are_read(model_folder, tmp_path):
    saved = tmp_path / "saved"
    command = ["prune", "--method", "structured", "--samples", "2", "--length", "16"]
    assert main([*command, "--model", str(model_folder), "--save", str(saved)]) == 0
    assert json.loads((saved / "sinkprune.json").read_text())["pruning"]["method"] == "structured"
    loaded = load_model(saved)
    assert loaded.tokenizer is not None
    assert (
        main(
            [
                "evaluate",
                "--model",
                str(saved),
                "--text",
                __file__,
                "--length",
                "20",
                "--patterns",
                "1",
                "--sequences",
                "2",
            ]
        )
        == 0
    )


def test_figure_data_read_back():
    rows = [{"name": "=1+1", "value": 1.5}, {"name": 'a "b", c', "value": None}, {"name": "你", "value": float("nan")}]
    assert [row["name"] for row in csv.DictReader(io.StringIO(as_csv(rows)))] == ["'=1+1", 'a "b", c', "你"]
    assert json.loads(as_json(rows, {"about": "x"}), parse_constant=pytest.fail)["rows"][2]["value"] is None
