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
from sinkprune.lab.statistics import trace_statistics
from sinkprune.lab.trace import _to_base64, decode_lane
from sinkprune.lab.trace_check import check_trace

SUN = Recipe("sun", "The sun", "Look at it.", "the sun is", 1, DecodeConfig(gen_length=8, block_length=4, steps=8))


@pytest.fixture(scope="module")
def preset(loaded) -> Preset:
    return record(
        loaded,
        SUN,
    )


def test_a_preset_comes_back_exactly(preset, tmp_path):
    path, rounding = write_preset(preset, tmp_path)
    assert rounding == 1
    assert read_preset(path) == preset


def test_recording_again_gives_the_same_file_but_for_the_time(loaded, preset, tmp_path):
    again = record(
        loaded,
        SUN,
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
    for name in ("other", RECIPES[1].name, RECIPES[0].name):
        write_preset(Preset(name, "", "", preset.trace), tmp_path)
    assert [loaded.name for loaded in load_presets(tmp_path)] == [RECIPES[0].name, RECIPES[1].name, "other"]
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
    presets = load_presets()
    assert [preset.name for preset in presets] == [recipe.name for recipe in RECIPES]
    assert len(presets) >= 4
    for preset, recipe in zip(presets, RECIPES, strict=True):
        check_trace(preset.trace)
        assert (preset.title, preset.look, preset.trace["prompt"]) == (recipe.title, recipe.look, recipe.prompt)
        assert preset.trace["view"] == {"layer": recipe.layer}
        assert [lane["kind"] for lane in preset.trace["lanes"]] == ["dlm", "ar"]
        assert all(lane["done"] and lane["text"].strip() for lane in preset.trace["lanes"])
        assert (PRESET_FOLDER / f"{preset.name}.json.gz").stat().st_size <= MAX_BYTES


def shipped(name: str, layer: int | None):
    """(tokens by position, step that wrote each, statistics of both lanes in that layer) of a shipped preset."""
    trace = next(preset.trace for preset in load_presets() if preset.name == name)
    lane = trace["lanes"][0]
    texts, written = dict(enumerate(lane["tokens"])), dict.fromkeys(range(lane["promptLength"]), -1)
    for frame in lane["frames"]:
        texts |= {position: text for position, _, text, _ in frame["committed"]}
        written |= {position: frame["step"] for position, *_ in frame["committed"]}
    return texts, written, trace_statistics(trace, layer)


def test_the_lead_follows_the_writing_in_the_first_preset():
    texts, written, (diffusion, causal) = shipped("fox", 4)
    first_stop = min(position for position, text in texts.items() if text == "." and written[position] >= 0)
    handed_over = written[first_stop] + 1
    assert set(diffusion.leaders[handed_over:]) == {first_stop}
    before = diffusion.leaders[:handed_over].tolist()
    assert sorted(texts[position] for position in set(before)) == ["\n", "."]
    assert all(written[position] < 0 for position in before)
    assert diffusion.moves == 5
    assert set(causal.leaders) == {2}
    assert texts[2] == "\n"


def test_new_words_lead_once_they_are_written():
    texts, written, (diffusion, causal) = shipped("plants", 0)
    new = [position for position in dict.fromkeys(diffusion.leaders.tolist()) if written[position] >= 0]
    assert [texts[position].strip() for position in new] == ["energy", "oxygen", "This"]
    assert all(diffusion.leaders[written[position] + 1] == position for position in new)
    assert diffusion.leaders[-1] == new[1]
    assert {texts[position] for position in causal.leaders} == {"user"}


def test_the_mean_hides_the_moves_of_layer_5():
    texts, _, mean = shipped("moon", None)
    assert [set(lane.leaders) for lane in mean] == [{2}, {2}]
    assert texts[2] == "\n"
    assert [lane.moves for lane in shipped("moon", 4)[2]] == [7, 0]


def test_list_numbers_lead_for_one_step():
    texts, written, (diffusion, causal) = shipped("forest", 4)
    for number in "23":
        position = next(position for position, text in texts.items() if text == number)
        assert np.nonzero(diffusion.leaders == position)[0].tolist() == [written[position] + 1]
    assert set(causal.leaders) <= {0, 2}


def test_sinks_stay_while_end_marks_are_filled_in():
    trace = next(preset.trace for preset in load_presets() if preset.name == "sea")
    frames = [frame for frame in trace["lanes"][0]["frames"] if frame["block"] == 2]
    marks = [[entry[0] for entry in frame["committed"] if entry[2] == "<|im_end|>"] for frame in frames]
    assert sum(map(len, marks)) == 30
    singles = [positions[0] for positions in marks if len(positions) == 1]
    assert singles == sorted(singles, reverse=True)
    assert len(singles) > 20
    diffusion = shipped("sea", 3)[2][0]
    last = slice(frames[0]["step"], None)
    assert np.ptp(diffusion.centroids[last]) < 1
    assert len(set(diffusion.leaders[last])) == 1


def test_one_token_a_step():
    trace = next(preset.trace for preset in load_presets() if preset.name == "rain")
    assert [len(frame["committed"]) for frame in trace["lanes"][0]["frames"]] == [1] * 96
