"""How cost grows: every size has its row, and what is timed is what its column says."""

import torch

from sinkprune.benchmarks import growth
from sinkprune.benchmarks.command_start import measure
from sinkprune.benchmarks.stopping import as_text
from sinkprune.benchmarks.stopping import measure as measure_stopping
from sinkprune.decoding.cache import CanvasCache


def cells(row):
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_every_canvas_and_number_of_layers_has_a_row(loaded):
    for rows, sizes in (
        (growth.canvas_table(loaded, 1, (40, 48)), ["40", "48"]),
        (growth.layers_table(loaded, 1, (1, 3)), ["1", "3"]),
    ):
        head, rule, *found = rows
        assert [cells(row)[0] for row in found] == sizes
        assert {len(cells(row)) for row in (head, rule, *found)} == {8}
        assert all(float(cell) >= 0 for row in found for cell in cells(row))


def test_a_model_of_other_layers_repeats_its_own_and_leaves_the_model_alone(loaded):
    before = len(loaded.model.model.layers)
    deeper = growth.with_layers(loaded, 5)
    assert len(loaded.model.model.layers) == loaded.model.config.num_hidden_layers == before
    own, copies = loaded.model.model.layers, deeper.model.model.layers
    assert [layer.self_attn.layer_idx for layer in copies] == list(range(5))
    assert torch.equal(copies[4].mlp.up_proj.weight, own[4 % before].mlp.up_proj.weight)
    assert deeper.model(torch.tensor([[5, 6, 7]])).logits.isfinite().all()


def test_the_block_forward_is_a_later_forward_of_the_dual_cache(loaded):
    canvas = torch.randint(4, 22, (1, 40))
    logits = growth.block_forward(loaded, canvas)().logits
    with torch.inference_mode():
        whole = loaded.model(canvas, past_key_values=CanvasCache(), position_ids=torch.arange(40)[None]).logits
    torch.testing.assert_close(logits, whole[:, -growth.BLOCK :], atol=1e-4, rtol=1e-4)


def test_calibration_has_a_row_for_each_method_and_size(loaded):
    _, _, *rows = growth.calibration_table(loaded, (1, 2), 8)
    assert [cells(row)[:2] for row in rows] == [[method, size] for method in growth.METHODS for size in "12"]


def test_whole_and_stopped_runs_are_held_against_each_other(loaded):
    (row,) = measure_stopping(loaded, ["why do stars shine ?"])
    assert row["text"] is True
    assert row["forwards"]["stopped"] <= row["forwards"]["whole"]
    assert "1 prompts: 1 texts equal" in as_text([row])


def test_whole_processes_are_timed_in_turns():
    assert all(seconds > 0 for seconds in measure({"nothing": ["-c", "pass"]}, 1)["nothing"])
