"""The table's command: what it measures, that an interrupted run goes on, and that the table in assets/ is the bundled model's."""

import json

import pytest
import torch

from sinkprune.lab.intervals import crossed_interval
from sinkprune.models import load_model
from sinkprune.models.fingerprint import weights_fingerprint
from sinkprune.pruning import METHODS, PruneConfig, prune_model
from sinkprune.recorded import pruning_table as command
from sinkprune.recorded.pruning_table import FOLDER, load_table, run_table
from sinkprune.recorded.table_cells import (
    VARIANTS,
    Cell,
    Protocol,
    material,
    measure_cell,
    plan,
    read_cells,
)
from sinkprune.recorded.table_summary import PAIRS, summarise

SMALL = Protocol((0.5,), (0.3,), (0, 1), texts=3, patterns=1, prompts=1, gen_length=32, samples=2, length=16)


@pytest.fixture(scope="module")
def measured(loaded, tmp_path_factory):
    """A folder with the small table of the tiny model."""
    folder = tmp_path_factory.mktemp("table")
    assert run_table(loaded, SMALL, folder) == []
    return folder


def test_the_plan_holds_every_method_its_baselines_and_three_seeds():
    cells = plan(Protocol())
    assert {cell.pruning.method for cell in cells} == set(METHODS)
    assert len(set(cells)) == len(cells)
    asked = {
        "magnitude": 5,
        "wanda": 5 * 3,
        "sink-wanda, weight 1": 5 * 3,
        "structured": 2 * 3,
        "sink-sparsegpt, weight 1": 0,
    }
    assert {variant: sum(cell.variant == variant for cell in cells) for variant in asked} == asked
    for pair in PAIRS:
        ours = {(cell.sparsity, cell.seed) for cell in cells if cell.variant == pair.variant}
        assert ours == {(cell.sparsity, cell.seed) for cell in cells if cell.variant == pair.baseline}


def test_sparsegpt_is_the_ablation_of_sink_sparsegpt(loaded):
    """Why the table has no row "sink-sparsegpt, weight 1"."""
    ids = torch.randint(4, 60, (3, 16), generator=torch.Generator().manual_seed(0))
    configs = PruneConfig("sparsegpt", 0.5), PruneConfig("sink-sparsegpt", 0.5, sink_weight=False)
    plain, ablation = (prune_model(loaded, config, calibration_ids=ids).masks for config in configs)
    assert all(torch.equal(plain[name], ablation[name]) for name in plain)


def test_every_cell_is_measured_and_summarised(measured):
    about, (dense, *cells) = read_cells(measured / "cells.jsonl")
    assert dense["variant"] == "dense"
    assert len(dense["answers"][0]) == 32
    assert [Cell(line["variant"], line["sparsity"], line["seed"]) for line in cells] == plan(SMALL)
    for line in cells:
        assert len(line["bits"]) == 3
        assert 0 <= line["agreement"][0] <= 1
        assert line["achieved"] == pytest.approx(line["sparsity"], abs=0.05)
    table = load_table(measured)
    assert table == summarise(about, [dense, *cells])
    assert {row["variant"] for row in table["rows"]} == set(VARIANTS)


def test_an_interrupted_run_goes_on_where_it_stopped(loaded, measured, tmp_path, monkeypatch):
    _, expected = read_cells(measured / "cells.jsonl")
    calls = []

    def interrupted(_loaded, cell, *_rest):
        calls.append(cell)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return next(line for line in expected if Cell(line["variant"], line["sparsity"], line["seed"]) == cell)

    monkeypatch.setattr(command, "measure_cell", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_table(loaded, SMALL, tmp_path)
    assert load_table(tmp_path) is None
    with (tmp_path / "cells.jsonl").open("a") as file:
        file.write('{"variant": "torn off in the mid')
    run_table(loaded, SMALL, tmp_path)
    assert calls == [*plan(SMALL)[:4], *plan(SMALL)[3:]]
    assert read_cells(tmp_path / "cells.jsonl")[1] == expected
    assert load_table(tmp_path) == load_table(measured)


def test_cells_of_another_model_are_not_mixed_in(make_model, measured):
    before = (measured / "cells.jsonl").read_bytes()
    with pytest.raises(ValueError, match="another model"):
        run_table(make_model(seed=1), SMALL, measured)
    assert (measured / "cells.jsonl").read_bytes() == before


def test_a_method_that_refuses_costs_no_other_cell(loaded, tmp_path, monkeypatch):
    def refuse(loaded, cell, *rest):
        if cell.variant == "sparsegpt":
            raise ValueError("no")
        return {"variant": cell.variant, "sparsity": cell.sparsity, "seed": cell.seed, "bits": [1.0]}

    monkeypatch.setattr(command, "measure_cell", refuse)
    failures = run_table(loaded, SMALL, tmp_path)
    assert failures == [f"sparsegpt at 50 %, seed {seed}: no" for seed in (0, 1)]
    assert len(read_cells(tmp_path / "cells.jsonl")[1]) == 1 + len(plan(SMALL)) - 2
    assert load_table(tmp_path) is None


def test_the_command_prints_the_finished_table(measured, tmp_path, capsys):
    command.main([str(measured), "--markdown"])
    assert "| sink-wanda" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        command.main([str(tmp_path), "--markdown"])
    assert "no finished table" in capsys.readouterr().err


def test_the_shipped_summary_is_that_of_the_shipped_cells():
    about, cells = read_cells(FOLDER / "cells.jsonl")
    assert load_table() == json.loads(json.dumps(summarise(about, cells)))
    found = {Cell(line["variant"], line["sparsity"], line["seed"]) for line in cells if line["variant"] != "dense"}
    assert found <= set(plan(Protocol()))
    assert len(load_table()["protocol"]["seeds"]) >= 2


@pytest.mark.bundled
def test_a_cell_measured_again_agrees_with_the_shipped_table():
    """Same weights; bits within the uncertainty that the table itself gives to this cell's distance from dense."""
    loaded = load_model("bundled")
    about, (dense, *cells) = read_cells(FOLDER / "cells.jsonl")
    assert about["weights"] == weights_fingerprint(loaded)
    protocol = Protocol(texts=24, prompts=1, gen_length=32)
    cell = Cell("wanda", 0.5, 0)
    again = measure_cell(loaded, cell, protocol, material(loaded, protocol), dense["answers"][:1], {})
    (stored,) = [line for line in cells if (line["variant"], line["sparsity"], line["seed"]) == ("wanda", 0.5, 0)]
    stored, whole = torch.tensor(stored["bits"])[:24], torch.tensor(dense["bits"])[:24]
    interval = crossed_interval((stored - whole)[None].numpy())
    assert abs(torch.tensor(again["bits"]).mean() - stored.mean()) <= interval.high - interval.mean
    assert again["achieved"] == pytest.approx(0.5, abs=1e-3)
