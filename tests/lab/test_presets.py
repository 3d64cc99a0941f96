import gzip
import json

import numpy as np
import pytest

from sinkprune.decoding import DecodeConfig
from sinkprune.lab import presets
from sinkprune.lab.presets import (
    MAX_BYTES,
    PRESET_FOLDER,
    RECIPES,
    Preset,
    Recipe,
    load_presets,
    read_preset,
    record,
    write_preset,
)
from sinkprune.lab.trace import _to_base64, decode_lane
from sinkprune.lab.trace_check import check_trace


@pytest.fixture(scope="module")
def preset(loaded) -> Preset:
    return record(
        loaded,
        Recipe("sun", "The sun", "Look at it.", "the sun is", DecodeConfig(gen_length=8, block_length=4, steps=8)),
    )


def test_a_preset_comes_back_exactly(preset, tmp_path):
    path, rounding = write_preset(preset, tmp_path)
    assert rounding == 1
    assert read_preset(path) == preset


def test_recording_again_gives_the_same_file_but_for_the_time(loaded, preset, tmp_path):
    again = record(
        loaded,
        Recipe("sun", "The sun", "Look at it.", "the sun is", DecodeConfig(gen_length=8, block_length=4, steps=8)),
    )

    def timeless(part):
        if isinstance(part, dict):
            return {key: timeless(value) for key, value in part.items() if key != "seconds"}
        return [timeless(value) for value in part] if isinstance(part, list) else part

    assert timeless(again.trace) == timeless(preset.trace)


def test_a_large_run_is_rounded_until_it_fits(preset, tmp_path, monkeypatch):
    """Random heads do not compress: only coarser ones can be small enough, and they stay close to what was recorded."""
    generator = np.random.default_rng(0)
    lane = preset.trace["lanes"][0]
    frames = [
        {**frame, "heads": _to_base64(generator.integers(0, 256, 8 * lane["length"], np.uint8))}
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


def test_presets_load_in_the_order_of_the_recipes(preset, tmp_path):
    for name in ("other", "star", "sky"):
        write_preset(Preset(name, "", "", preset.trace), tmp_path)
    assert [loaded.name for loaded in load_presets(tmp_path)] == ["sky", "star", "other"]
    assert load_presets(tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    "content",
    [b"", b"no gzip", gzip.compress(b"no json"), gzip.compress(json.dumps({"trace": {"lanes": [{}]}}).encode())],
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


def test_recipes_are_distinct_and_say_what_to_look_for():
    assert len({recipe.name for recipe in RECIPES}) == len({recipe.prompt for recipe in RECIPES}) == len(RECIPES) >= 4
    assert all(recipe.look.endswith(".") and recipe.look.count(". ") == 0 for recipe in RECIPES)


def test_what_is_shipped_is_small_and_sound():
    for preset in load_presets():
        check_trace(preset.trace)
        assert all(lane["done"] and lane["text"].strip() for lane in preset.trace["lanes"])
        assert (PRESET_FOLDER / f"{preset.name}.json.gz").stat().st_size <= MAX_BYTES
