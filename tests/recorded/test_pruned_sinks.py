"""Rivers of pruned copies: paired step by step with the dense model's, kept in a file, and drawn as dense less pruned."""

import numpy as np
import pytest

from sinkprune.decoding import DecodeConfig
from sinkprune.figures.pruning import difference_rivers
from sinkprune.figures.rows import river_rows
from sinkprune.pruning import METHODS, CalibrationConfig
from sinkprune.recorded.pruned_sinks import (
    WAYS,
    PrunedRivers,
    load_pruned_sinks,
    record_pruned_sinks,
    write_pruned_sinks,
)
from sinkprune.traces.format import decode_lane
from sinkprune.traces.runs import finish, trace_run
from sinkprune.ui.words.reading import rivers_words

CONFIG = DecodeConfig(gen_length=8, block_length=4, steps=8)
PROMPT = "the sun is"
CHOSEN = ("magnitude", "structured")


@pytest.fixture(scope="module")
def found(loaded):
    calibration = CalibrationConfig(samples=2, length=16)
    return record_pruned_sinks(loaded, 0.5, calibration, [PROMPT], CONFIG, CHOSEN)


def test_the_dense_river_is_that_of_the_run(loaded, found):
    trace = finish(trace_run(loaded, PROMPT, CONFIG, ("dlm",)))
    (rivers,) = found.prompts
    assert np.allclose(rivers.dense, decode_lane(trace, trace["lanes"][0]).share, atol=1e-4)
    assert rivers.texts["dense"] == trace["lanes"][0]["text"]


def test_every_river_is_a_share(found):
    (rivers,) = found.prompts
    assert list(rivers.copies) == list(CHOSEN)
    for copy in rivers.copies.values():
        assert copy["read"].shape == copy["own"].shape == rivers.dense.shape
        assert np.allclose([copy[way].sum(1) for way in WAYS], 1)


def test_without_pruning_nothing_moves(loaded):
    found = record_pruned_sinks(loaded, 0.0, None, [PROMPT], CONFIG, ["magnitude"])
    (rivers,) = found.prompts
    for way in WAYS:
        assert np.abs(rivers.difference("magnitude", way)).max() < 1e-3
        assert rivers.moved("magnitude", way) < 1e-4
        assert rivers.same_leader("magnitude", way) == 1


def test_what_moved_and_who_leads():
    dense = np.array([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6]])
    pruned = np.array([[0.2, 0.3, 0.5], [0.2, 0.2, 0.6]])
    rivers = PrunedRivers("p", 1, dense, {"wanda": {"read": pruned}}, {})
    assert rivers.moved("wanda", "read") == pytest.approx(0.15)
    assert rivers.same_leader("wanda", "read") == 0.5
    assert rivers.difference("wanda", "read")[0] == pytest.approx([0.9, 0, -0.9])


def test_rivers_are_drawn_signed_beside_the_dense_one(found):
    (rivers,) = found.prompts
    dense, *signed = difference_rivers(rivers, "own").data
    assert np.allclose(dense.z, rivers.dense.T * rivers.dense.shape[1], atol=1e-3)
    assert [part.hovertemplate.split(", ")[2].split(":")[0] for part in signed] == list(CHOSEN)
    for part, method in zip(signed, CHOSEN, strict=True):
        assert np.allclose(part.z, rivers.difference(method, "own").T, atol=1e-3)
        assert part.zmin == -part.zmax
    assert len({part.zmax for part in signed}) == 1


def test_rivers_as_rows_and_in_words(found):
    (rivers,) = found.prompts
    rows = river_rows(rivers, "read")
    assert len(rows) == 3 * len(rivers.dense)
    assert rows[0]["position2"] == pytest.approx(rivers.dense[0, 2] * rivers.dense.shape[1], abs=1e-4)
    assert rows[-1]["river"] == "dense less structured"
    said = rivers_words(rivers, "read")
    for method in CHOSEN:
        assert f"{method} {100 * rivers.moved(method, 'read'):.1f} % (same leader" in said


def test_a_file_gives_back_what_was_recorded(found, tmp_path):
    path = tmp_path / "pruned.json.gz"
    write_pruned_sinks(found, path)
    again = load_pruned_sinks(path)
    assert (again.model, again.sparsity, again.settings) == (found.model, found.sparsity, found.settings)
    for after, before in zip(again.prompts, found.prompts, strict=True):
        assert (after.prompt, after.prompt_length, after.texts) == (before.prompt, before.prompt_length, before.texts)
        assert np.allclose(np.sqrt(after.dense), np.sqrt(before.dense), atol=0.6 / 255)
        assert np.allclose(after.copies["magnitude"]["own"], before.copies["magnitude"]["own"], atol=0.005)


def test_nothing_recorded_is_none_and_damage_is_named(tmp_path):
    assert load_pruned_sinks(tmp_path / "nowhere") is None
    (tmp_path / "pruned.json.gz").write_bytes(b"no gzip")
    with pytest.raises(ValueError, match=r"pruned\.json\.gz is damaged"):
        load_pruned_sinks(tmp_path / "pruned.json.gz")


def test_what_is_shipped_has_every_method():
    found = load_pruned_sinks()
    for rivers in found.prompts:
        assert tuple(rivers.copies) == METHODS
        assert rivers.dense.shape[1] == rivers.prompt_length + found.settings["gen_length"]
