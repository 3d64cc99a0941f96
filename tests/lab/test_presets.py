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
    assert len({recipe.name for recipe in RECIPES}) == len({(recipe.prompt, recipe.config) for recipe in RECIPES})
    assert len({recipe.name for recipe in RECIPES}) == len(RECIPES) >= 6
    assert all(recipe.look.endswith(".") and recipe.look.count(". ") == 0 for recipe in RECIPES)


def test_what_is_shipped_is_small_and_sound():
    presets = load_presets()
    assert [preset.name for preset in presets] == [recipe.name for recipe in RECIPES]
    for preset, recipe in zip(presets, RECIPES, strict=True):
        check_trace(preset.trace)
        assert (preset.title, preset.look, preset.trace["prompt"]) == (recipe.title, recipe.look, recipe.prompt)
        assert preset.trace["view"] == {"layer": recipe.layer}
        assert [lane["kind"] for lane in preset.trace["lanes"]] == ["dlm", "ar"]
        assert all(lane["done"] and lane["text"].strip() for lane in preset.trace["lanes"])
        assert (PRESET_FOLDER / f"{preset.name}.json.gz").stat().st_size <= MAX_BYTES


def test_the_autoregressive_lane_never_leaves_the_begin_mark():
    for recipe in RECIPES:
        trace, _, _, (_, causal) = shipped(recipe.name, recipe.layer)
        diffusion, autoregressive = trace["lanes"]
        assert autoregressive["tokens"] == ["<|endoftext|>", *diffusion["tokens"]]
        assert set(causal.leaders) == {0}
        assert causal.sinks[:, 0].all()


def shipped(name: str, layer: int | None):
    """(trace, tokens by position, step that wrote each (the prompt: -1), statistics of both lanes in that layer) of a shipped preset."""
    trace = next(preset.trace for preset in load_presets() if preset.name == name)
    lane = trace["lanes"][0]
    texts, written = dict(enumerate(lane["tokens"])), dict.fromkeys(range(lane["promptLength"]), -1)
    for frame in lane["frames"]:
        texts |= {position: text for position, _, text, _ in frame["committed"]}
        written |= {position: frame["step"] for position, *_ in frame["committed"]}
    return trace, texts, written, trace_statistics(trace, layer)


def led(diffusion) -> list[tuple[int, int]]:
    """(position, first step) of every leader, one entry per reign; every one of them is a sink."""
    leaders = diffusion.leaders.tolist()
    assert all(diffusion.sinks[step, position] for step, position in enumerate(leaders))
    return [(now, step) for step, now in enumerate(leaders) if step == 0 or now != leaders[step - 1]]


def first_written(text: str, texts: dict, written: dict) -> int:
    return min(position for position, found in texts.items() if found == text and written[position] >= 0)


def test_the_lead_follows_the_writing_in_the_first_preset():
    assert RECIPES[0].name == "fox"
    _, texts, written, (diffusion, causal) = shipped("fox", 6)
    new = [(position, step) for position, step in led(diffusion) if written[position] >= 0]
    assert [texts[position] for position, _ in new] == [" young", " discovered", "."]
    assert all(step == written[position] + 1 for position, step in new)
    assert led(diffusion)[-1][0] == first_written(".", texts, written)
    assert diffusion.moves == 5
    assert diffusion.temporal_variance > 100
    assert causal.temporal_variance == 0


def test_a_full_stop_in_the_prompt_holds_the_lead():
    trace, texts, _, (diffusion, _) = shipped("stop", 6)
    assert trace["prompt"] == shipped("fox", 6)[0]["prompt"] + "."
    assert trace["settings"] == shipped("fox", 6)[0]["settings"]
    ((position, _),) = led(diffusion)
    assert position == trace["lanes"][0]["promptLength"] - 2
    assert texts[position] == "."


def test_a_sink_dies():
    _, texts, written, (diffusion, _) = shipped("teacher", 1)
    (a, begun), (comma, first), (stop, second) = led(diffusion)
    assert (texts[a], written[a], begun) == (" a", -1, 0)
    assert (comma, stop) == tuple(first_written(text, texts, written) for text in ",.")
    assert (first, second) == (written[comma] + 1, written[stop] + 1)
    assert diffusion.sinks[:second, a].all()
    assert not diffusion.sinks[second:, a].any()


def test_the_lead_walks_backwards_over_the_end_marks():
    _, texts, written, (diffusion, _) = shipped("honey", None)
    _, *marks, (stop, last) = led(diffusion)
    assert [texts[position] for position, _ in marks] == ["<|im_end|>"] * 8
    assert marks == sorted(marks, reverse=True, key=lambda reign: reign[0])
    assert [step for _, step in marks] == list(range(last - 8, last))
    assert all(step == written[position] + 1 for position, step in [*marks, (stop, last)])
    assert stop == first_written(".", texts, written)


def test_the_mean_hides_the_moves_of_layer_1():
    trace, texts, written, (mean, _) = shipped("robot", None)
    ((position, _),) = led(mean)
    assert position == trace["lanes"][0]["promptLength"] - 2
    assert texts[position] == "."
    _, _, _, (diffusion, causal) = shipped("robot", 0)
    new = led(diffusion)[1:]
    assert [texts[position] for position, _ in new] == [" named", " K", " The"]
    assert all(step == written[position] + 1 for position, step in new)
    assert set(causal.leaders) == {0}


def test_a_mask_leads_until_the_full_stop():
    trace, texts, written, (diffusion, _) = shipped("lighthouse", 9)
    lane = trace["lanes"][0]
    leading = np.nonzero(diffusion.leaders == lane["length"] - 1)[0]
    assert (len(leading), len(lane["frames"])) == (18, 29)
    assert leading.max() <= written[lane["length"] - 1]
    stop, step = led(diffusion)[-1]
    assert stop == first_written(".", texts, written)
    assert step == written[stop] + 1
    assert round(100 * float(decode_lane(trace, lane).heads[step, 9, :, stop].mean())) == 42


def test_the_lead_jumps_at_the_edge_of_a_block():
    for name in ("moon", "steps"):
        trace, texts, written, (diffusion, _) = shipped(name, 7)
        (story, _), (mark, first), (stop, second) = led(diffusion)
        assert (texts[story], texts[mark]) == (" story", "<|im_start|>")
        assert mark == trace["lanes"][0]["promptLength"] - 1
        assert first == next(frame["step"] for frame in trace["lanes"][0]["frames"] if frame["block"] == 1)
        assert stop == first_written(".", texts, written)
        assert second == written[stop] + 1


def test_one_token_a_step_writes_the_same_in_twice_the_passes():
    parallel, single = (shipped(name, 7)[0]["lanes"][0] for name in ("moon", "steps"))
    assert parallel["text"] == single["text"]
    assert (parallel["nfe"], single["nfe"]) == (32, 64)
    assert [len(frame["committed"]) for frame in single["frames"]] == [1] * 64
