import gzip
import json

import numpy as np
import pytest

from sinkprune.decoding import DecodeConfig
from sinkprune.recorded import presets
from sinkprune.recorded.candidates import CANDIDATES, Candidate
from sinkprune.recorded.presets import (
    MAX_BYTES,
    MIN_STEPS,
    PRESET_FOLDER,
    Preset,
    choose,
    is_readable,
    load_presets,
    read_preset,
    record,
    record_presets,
    write_preset,
)
from sinkprune.recorded.properties import PROPERTIES, Finding, best_finding
from sinkprune.recorded.watched import Watched
from sinkprune.traces.check import check_trace
from sinkprune.traces.format import decode_lane
from sinkprune.traces.shares import to_base64
from tests.traces.run_samples import make_run

SUN = Candidate("the sun is", DecodeConfig(gen_length=8, block_length=4, steps=8))


@pytest.fixture(scope="module")
def preset(loaded) -> Preset:
    return Preset("sun", "The sun", "Look at it.", record(loaded, SUN))


def test_a_preset_comes_back_exactly(preset, tmp_path):
    path, rounding = write_preset(preset, tmp_path)
    assert rounding == 1
    assert read_preset(path) == preset


def test_recording_again_gives_the_same_but_for_the_time(loaded, preset):
    again = record(loaded, SUN)

    def timeless(part):
        if isinstance(part, dict):
            return {key: timeless(value) for key, value in part.items() if key != "seconds"}
        return [timeless(value) for value in part] if isinstance(part, list) else part

    assert timeless(again) == timeless({**preset.trace, "run": again["run"]})


def test_a_large_run_is_rounded_until_it_fits(preset, tmp_path, monkeypatch):
    """Random heads do not compress: only coarser ones can be small enough, and they stay close to what was recorded."""
    generator = np.random.default_rng(0)
    lane = preset.trace["lanes"][0]
    frames = [
        {**frame, "heads": to_base64(generator.integers(0, 256, 8 * lane["length"], np.uint8))}
        for frame in lane["frames"]
    ]
    noisy = Preset("noisy", "", "", {**preset.trace, "lanes": [{**lane, "frames": frames}]})
    exact = len(presets._packed(noisy, 1))
    monkeypatch.setattr(presets, "MAX_BYTES", exact - 100)
    path, rounding = write_preset(noisy, tmp_path)
    assert rounding > 1
    assert path.stat().st_size <= exact - 100
    stored = read_preset(path).trace
    before = np.sqrt(decode_lane(noisy.trace, noisy.trace["lanes"][0]).heads)
    after = np.sqrt(decode_lane(stored, stored["lanes"][0]).heads)
    assert np.abs(after - before).max() <= (rounding / 2 + 0.01) / 255
    monkeypatch.setattr(presets, "MAX_BYTES", 10)
    with pytest.raises(ValueError, match="record fewer steps"):
        write_preset(noisy, tmp_path)


def test_presets_load_in_the_order_of_the_properties(preset, tmp_path):
    first, second = list(PROPERTIES)[:2]
    for name in ("other", second, first):
        write_preset(Preset(name, "", "", preset.trace), tmp_path)
    assert [loaded.name for loaded in load_presets(tmp_path)] == [first, second, "other"]
    assert load_presets(tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    "content",
    [b"", b"no gzip", gzip.compress(b"no json"), gzip.compress(json.dumps({"trace": {"lanes": [{}]}}).encode())],
    ids=["empty", "no gzip", "no json", "no frames"],  # gzip writes the time of day: other bytes in every worker
)
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / "broken.json.gz").write_bytes(content)
    with pytest.raises(ValueError, match=r"broken\.json\.gz is damaged"):
        load_presets(tmp_path)


def test_a_cut_file_is_named(preset, tmp_path):
    path, _ = write_preset(preset, tmp_path)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ValueError, match="is damaged"):
        read_preset(path)


def test_what_is_shipped_is_small_and_readable():
    shipped = load_presets()
    assert len(shipped) >= 8
    for preset in shipped:
        check_trace(preset.trace)
        assert preset.trace["run"] == f"preset-{preset.name}"
        assert [lane["kind"] for lane in preset.trace["lanes"]] == ["dlm", "ar"]
        assert all(lane["done"] for lane in preset.trace["lanes"])
        assert is_readable(preset.trace)
        assert (PRESET_FOLDER / f"{preset.name}.json.gz").stat().st_size <= MAX_BYTES


@pytest.mark.parametrize("preset", load_presets(), ids=lambda preset: preset.name)
def test_the_sentence_of_a_shipped_preset_is_true_of_its_recording(preset):
    """Measured again on the recording, the property is where the sentence says, in the layer that the player opens with."""
    finding = best_finding(preset.name, Watched(preset.trace))
    assert (preset.title, preset.look) == (PROPERTIES[preset.name].title, finding.look)
    assert preset.trace["view"] == {"layer": finding.layer}
    assert preset.look.endswith(".")


def test_rare_properties_choose_first_and_each_takes_a_run_of_its_own():
    """The only run with "edge" is also the clearest "drift": drift takes the next one."""
    clear, weak = Finding(2, None, "."), Finding(1, None, ".")
    findings = [{"drift": clear, "edge": weak}, {"drift": weak}, {}]
    assert choose(findings) == {"drift": [1, 0], "edge": [0]}
    assert choose([{"drift": clear, "edge": weak}]) == {"drift": [0], "edge": [0]}  # better twice than not at all
    assert choose([]) == {}


@pytest.mark.parametrize(
    ("text", "readable"),
    [("a fox swims in the cold blue sea today", True), ("too short", False), ("again and again " * 6, False)],
)
def test_short_and_repeated_answers_are_left_out(text, readable):
    trace = make_run([[2] * 3])
    trace["lanes"][0]["text"] = text
    assert is_readable(trace) == readable


def test_recording_keeps_what_was_found_and_says_what_was_not(loaded, tmp_path, monkeypatch):
    """Three made-up runs: one drifts, one stays, one shows nothing; what was in the folder before is gone."""
    runs = [make_run([list(range(2, 34, 2))]), make_run([[2] * 16]), make_run([[2, 30, 9, 4] * 4], causal=None)]
    for run in runs:
        run["lanes"][0]["text"] = "a fox swims in the cold blue sea today"
    (tmp_path / "old.json.gz").write_bytes(b"")
    monkeypatch.setattr(presets, "record", lambda loaded, candidate: runs[int(candidate.prompt)])
    kept = record_presets(loaded, [Candidate(str(number)) for number in range(len(runs))], tmp_path)
    assert kept["drift"].look == best_finding("drift", Watched(runs[0])).look
    assert kept["stays"].trace["lanes"] == runs[1]["lanes"]
    assert kept["cached"] is None
    names = sorted(name for name, preset in kept.items() if preset)
    assert sorted(preset.name for preset in load_presets(tmp_path)) == names
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{name}.json.gz" for name in names]


def test_a_run_of_few_steps_shows_only_what_few_steps_are_for(loaded, tmp_path, monkeypatch):
    run = make_run([[2] * (MIN_STEPS - 1)])
    run["lanes"][0]["text"] = "a fox swims in the cold blue sea today"
    assert best_finding("stays", Watched(run))
    monkeypatch.setattr(presets, "record", lambda loaded, candidate: run)
    kept = record_presets(loaded, [Candidate("a")], tmp_path)
    assert [name for name, preset in kept.items() if preset] == ["parallel"]


def test_candidates_differ():
    assert len(set(CANDIDATES)) == len(CANDIDATES)
