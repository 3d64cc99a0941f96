"""The recorded prompt set says what its runs said, and survives its file."""

import dataclasses

import numpy as np
import pytest

from sinkprune.decoding import DecodeConfig
from sinkprune.recorded import prompt_set
from sinkprune.recorded.prompt_set import load_prompt_set, main, record_prompt_set, write_prompt_set
from sinkprune.traces.format import decode_lane
from sinkprune.traces.runs import finish, trace_run
from sinkprune.traces.sink_statistics import layer_statistics, trace_statistics
from sinkprune.traces.stages import trace_stages

CONFIG = DecodeConfig(gen_length=8, block_length=4, steps=8)
PROMPTS = ["the sun is", "why do stars shine", "we see the sea and the sun"]


@pytest.fixture(scope="module")
def found(loaded):
    return record_prompt_set(loaded, PROMPTS, CONFIG)


def test_it_holds_every_lane_of_every_prompt_in_every_layer(loaded, found):
    trace = finish(trace_run(loaded, PROMPTS[1], CONFIG))
    assert found.prompts == PROMPTS
    for layer in (None, 0, 1):
        lanes = [lane for lane in found.in_layer(layer) if lane.prompt == PROMPTS[1]]
        for recorded, true in zip(lanes, trace_statistics(trace, layer), strict=True):
            assert np.allclose(recorded.centroids, true.centroids, equal_nan=True)
            assert (recorded.title, recorded.moves) == (true.title, true.moves)
    assert len(found.layers) == len(layer_statistics(trace)) * len(PROMPTS)


def test_the_typical_prompt_has_the_median_variance(loaded, found):
    variances = {lane.prompt: lane.temporal_variance for lane in found.in_layer(None) if lane.kind == "dlm"}
    assert found.typical == sorted(variances, key=variances.get)[1]
    trace = finish(trace_run(loaded, found.typical, CONFIG))
    for recorded, true in zip(found.stages, trace_stages(trace), strict=True):
        assert np.array_equal(recorded.masses, true.masses, equal_nan=True)


def test_a_file_gives_back_what_was_recorded(found, tmp_path):
    path = tmp_path / "sinks.json"
    write_prompt_set(found, path)
    again = load_prompt_set(path)
    assert (again.model, again.settings, again.typical) == (found.model, found.settings, found.typical)
    for after, before in zip(again.lanes, found.lanes, strict=True):
        assert np.allclose(after.centroids, before.centroids, atol=0.006, equal_nan=True)
        assert after.temporal_variance == pytest.approx(before.temporal_variance, abs=1e-4, nan_ok=True)
        assert (after.prompt, after.kind, after.layer, after.moves) == (
            before.prompt,
            before.kind,
            before.layer,
            before.moves,
        )
    for after, before in zip(again.stages, found.stages, strict=True):
        assert np.allclose(after.masses, before.masses, atol=0.3, equal_nan=True)
        assert (after.title, after.names, after.steps) == (before.title, before.names, before.steps)


def test_nothing_recorded_is_none_and_damage_is_named(tmp_path):
    assert load_prompt_set(tmp_path / "nowhere.json") is None
    (tmp_path / "sinks.json").write_text('{"model": 3}')
    with pytest.raises(ValueError, match=r"sinks\.json is damaged"):
        load_prompt_set(tmp_path / "sinks.json")


def test_a_model_that_only_denoises_has_one_lane(loaded):
    only = dataclasses.replace(loaded, spec=dataclasses.replace(loaded.spec, causal=False))
    found = record_prompt_set(only, PROMPTS[:1], CONFIG)
    assert {lane.kind for lane in found.lanes} == {"dlm"}
    with pytest.raises(ValueError, match="at least one prompt"):
        record_prompt_set(loaded, [], CONFIG)


def test_stages_are_the_recorded_heads_in_units_of_the_mean(loaded):
    trace = finish(trace_run(loaded, PROMPTS[0], CONFIG))
    for lane, stages in zip(trace["lanes"], trace_stages(trace), strict=True):
        arrays = decode_lane(trace, lane)
        for step, masses in zip(stages.steps, stages.masses, strict=True):
            visible = arrays.visible[step]
            assert np.allclose(masses[..., :visible], arrays.heads[step][..., :visible] * visible, atol=1e-5)
            assert np.isnan(masses[..., visible:]).all()
    with pytest.raises(ValueError, match="no step yet"):
        trace_stages({**trace, "lanes": [{**trace["lanes"][0], "frames": []}]})


def test_the_command_writes_the_file(loaded, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(prompt_set, "load_model", lambda name: loaded)
    monkeypatch.setattr(prompt_set, "record_prompt_set", lambda model: record_prompt_set(model, PROMPTS, CONFIG))
    main(["--file", str(tmp_path / "sinks.json")])
    assert "3 prompts" in capsys.readouterr().out
    assert load_prompt_set(tmp_path / "sinks.json").prompts == PROMPTS


def test_what_is_shipped_covers_both_lanes_and_all_layers():
    found = load_prompt_set()
    layers = found.model["layers"]
    assert len(found.prompts) >= 8
    assert len(found.lanes) == 2 * len(found.prompts) * (layers + 1)
    assert found.typical in found.prompts
    assert [stages.masses.shape[1:3] for stages in found.stages] == [(layers, found.model["heads"])] * 2
