"""Rows hold the numbers that the figures draw; files are what a spreadsheet and a program can read."""

import csv
import io
import json

import numpy as np
import pytest

from sinkprune.decoding import DecodeConfig
from sinkprune.figures.rows import as_csv, as_json, stage_rows, trajectory_rows, variance_rows
from sinkprune.traces.runs import finish, trace_run
from sinkprune.traces.sink_statistics import layer_statistics, trace_statistics
from sinkprune.traces.stages import trace_stages


@pytest.fixture(scope="module")
def trace(loaded):
    return finish(trace_run(loaded, "the sun is", DecodeConfig(gen_length=8, block_length=4, steps=8)))


def read_csv(text: str) -> list[dict]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_trajectory_has_a_row_a_step(trace):
    lanes = trace_statistics(trace, layer=1)
    rows = read_csv(as_csv(trajectory_rows(lanes)))
    assert len(rows) == sum(len(lane["frames"]) for lane in trace["lanes"])
    assert {(row["lane"], row["layer"]) for row in rows} == {("Diffusion", "2"), ("Autoregressive", "2")}
    centroids = [float(row["centroid"] or "nan") for row in rows if row["lane"] == "Diffusion"]
    assert np.allclose(centroids, lanes[0].centroids, atol=1e-4, equal_nan=True)
    assert [int(row["leader"]) for row in rows[: len(centroids)]] == lanes[0].leaders.tolist()
    assert (rows[0]["step"], rows[0]["percent_done"]) == ("1", "0.0")


def test_variances_have_a_row_a_layer(trace):
    layers = layer_statistics(trace)
    rows = json.loads(as_json(variance_rows(layers), {"prompt": trace["prompt"]}))
    assert rows["prompt"] == "the sun is"
    assert [row["layer"] for row in rows["rows"]] == [1, 2, 1, 2]
    assert rows["rows"][1]["spatial_variance"] == pytest.approx(layers[1].spatial_variance, abs=1e-4)
    assert variance_rows(trace_statistics(trace))[0]["layer"] == "mean"


def test_stages_have_a_row_a_position_and_a_column_a_head(trace):
    stages = trace_stages(trace)
    rows = stage_rows(stages)
    assert len(rows) == 3 * sum(lane["length"] for lane in trace["lanes"])
    row = next(row for row in rows if (row["lane"], row["stage"], row["position"]) == ("Diffusion", "50 %", 4))
    assert row["layer2_head3"] == pytest.approx(float(stages[0].masses[1, 1, 2, 4]), abs=1e-4)
    causal = next(row for row in rows if row["lane"] == "Autoregressive")
    assert rows[-1]["position"] == trace["lanes"][1]["length"] - 1
    assert any(row["layer1_head1"] is None for row in rows if row["lane"] == causal["lane"])


def test_a_hostile_text_is_no_formula_in_a_spreadsheet():
    rows = read_csv(as_csv([{"prompt": '=HYPERLINK("x")', "value": -1.5}, {"prompt": 'a, "b"\nc', "value": None}]))
    assert rows[0] == {"prompt": '\'=HYPERLINK("x")', "value": "-1.5"}
    assert rows[1] == {"prompt": 'a, "b"\nc', "value": ""}
