"""Recorded runs that play the moment a page opens, without a model: `load_presets()` reads them, this module as a command records them.

    python -m sinkprune.lab.presets [--model NAME] [--only NAME …]

A preset is one gzip file of JSON: {"name", "title", "look", "trace"}. The heads of its trace, by far the largest part, are taken out of the
frames and stored per lane as differences from step to step, which compress well: "packed" = {"step": q, "data": base64 lzma}. Where a file
would still exceed MAX_BYTES, heads are rounded to multiples of the smallest q in ROUNDINGS that fits; everything else stays exact.

The prompts were chosen: of about 50 that were tried, those whose answers read well and whose recordings show something different each.
Most of them end without a full stop on purpose: a full stop or question mark in the prompt holds the leading sink from the first step on.
What a recipe tells the visitor to look for was read off the recording of the bundled model, and the tests hold it against the
recording: other weights need other sentences.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import lzma
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sinkprune.decoding import DecodeConfig
from sinkprune.lab.runs import finish, trace_run
from sinkprune.lab.trace_check import check_trace
from sinkprune.models import LoadedModel, load_model

PRESET_FOLDER = Path(__file__).resolve().parents[2] / "assets" / "presets"
MAX_BYTES = 300 * 1024
ROUNDINGS = (1, 2, 4, 8, 16)
PARALLEL = DecodeConfig(gen_length=64, block_length=16, threshold=0.9)


@dataclass(frozen=True)
class Preset:
    """A recorded run. look: one sentence on what to look for."""

    name: str
    title: str
    look: str
    trace: dict


@dataclass(frozen=True)
class Recipe:
    """What to record. The order of RECIPES is the order on the page. layer: the one the player opens with (from 0), None for the mean."""

    name: str
    title: str
    look: str
    prompt: str
    layer: int | None = None
    config: DecodeConfig = PARALLEL
    lanes: tuple[str, ...] = ("dlm", "ar")


RECIPES = (
    Recipe(
        "fox",
        "The sink follows the writing",
        "Layer 7: the lead jumps 5 times under diffusion, to “young” and “discovered” once they are written and at last to the answer's "
        "first full stop, where it stays; autoregressively it never leaves the begin mark.",
        "Write a short story about a fox who learns to swim",
        layer=6,
    ),
    Recipe(
        "stop",
        "One full stop holds the sink",
        "The same prompt, now with a full stop: in layer 7 that full stop leads at every step, where without it the lead jumped 5 times.",
        "Write a short story about a fox who learns to swim.",
        layer=6,
    ),
    Recipe(
        "teacher",
        "A sink dies",
        "Layer 2: “a” leads until the first comma is written and the comma until the first full stop, and from then on “a” is no sink any "
        "more.",
        "What makes a good teacher",
        layer=1,
    ),
    Recipe(
        "honey",
        "The lead walks backwards",
        "Averaged over all layers: 8 end marks lead for one step each, nearer to the text each time, until the full stop is written and "
        "keeps the lead.",
        "Tell me about honey",
    ),
    Recipe(
        "robot",
        "What the mean hides",
        "Averaged over all layers the prompt's full stop leads at every step: press 1 for layer 1, where “named”, “K” and “The” each take "
        "the lead once they are written.",
        "Write a story about a robot who wants to paint.",
    ),
    Recipe(
        "lighthouse",
        "A mask that is a sink",
        "Layer 10: the last position of the canvas, still a mask, leads in 18 of 29 steps, until the full stop is written and takes 42 % "
        "of the attention at once.",
        "The lighthouse keeper",
        layer=9,
    ),
    Recipe(
        "moon",
        "A jump at a block's edge",
        "Layer 8: the lead jumps from “story” to the mark after the prompt in the first step of the second block, and to the first full "
        "stop once that is written.",
        "Tell me a bedtime story about the moon",
        layer=7,
    ),
    Recipe(
        "steps",
        "One token a step",
        "The answer of “A jump at a block's edge” again, in 64 forward passes instead of 32: in layer 8 the lead makes the same two jumps, "
        "the first again at the edge of the block.",
        "Tell me a bedtime story about the moon",
        layer=7,
        config=DecodeConfig(gen_length=64, block_length=16, steps=64),
    ),
)


def load_presets(folder: Path = PRESET_FOLDER) -> list[Preset]:
    """All presets in `folder` in the order of RECIPES, others after them by name; empty where nothing is recorded."""
    order = {recipe.name: number for number, recipe in enumerate(RECIPES)}
    presets = [read_preset(path) for path in sorted(folder.glob("*.json.gz"))]
    return sorted(presets, key=lambda preset: (order.get(preset.name, len(order)), preset.name))


def read_preset(path: Path) -> Preset:
    """One preset with its trace unpacked. Raises ValueError where the file is damaged."""
    try:
        stored = json.loads(gzip.decompress(path.read_bytes()))
        trace = stored["trace"]
        for lane in trace["lanes"]:
            _unpack_heads(lane, trace["model"]["layers"] * trace["model"]["heads"])
        check_trace(trace)
        return Preset(stored["name"], stored["title"], stored["look"], trace)
    except (OSError, EOFError, KeyError, TypeError, ValueError, lzma.LZMAError) as error:
        raise ValueError(
            f"the preset {path.name} is damaged ({error}): record it again with `python -m sinkprune.lab.presets`"
        ) from error


def write_preset(preset: Preset, folder: Path = PRESET_FOLDER) -> tuple[Path, int]:
    """Write one preset and return (file, rounding of the heads). Raises ValueError where it cannot be made small enough."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{preset.name}.json.gz"
    for rounding in ROUNDINGS:
        content = _packed(preset, rounding)
        if len(content) <= MAX_BYTES:
            path.write_bytes(content)
            return path, rounding
    raise ValueError(f"the preset {preset.name} is {len(content)} bytes even when rounded: record fewer steps")


def record(loaded: LoadedModel, recipe: Recipe) -> Preset:
    """Run a recipe to its end. The run's id is the preset's name, so that recording again changes only what changed."""
    trace = finish(trace_run(loaded, recipe.prompt, recipe.config, recipe.lanes, recipe.layer))
    return Preset(recipe.name, recipe.title, recipe.look, {**trace, "run": f"preset-{recipe.name}"})


def _packed(preset: Preset, rounding: int) -> bytes:
    lanes = [_pack_heads(lane, rounding) for lane in preset.trace["lanes"]]
    stored = {
        "name": preset.name,
        "title": preset.title,
        "look": preset.look,
        "trace": {**preset.trace, "lanes": lanes},
    }
    text = json.dumps(stored, ensure_ascii=False, separators=(",", ":"))
    return gzip.compress(text.encode(), mtime=0)


def _pack_heads(lane: dict, rounding: int) -> dict:
    heads = np.stack(
        [np.frombuffer(base64.b64decode(frame["heads"]), np.uint8) for frame in lane["frames"]]
    )  # (T, L*H*N)
    levels = np.round(heads / rounding).astype(np.uint8)
    differences = np.diff(levels, axis=0, prepend=np.uint8(0))  # modulo 256
    data = base64.b64encode(lzma.compress(differences.tobytes())).decode("ascii")
    frames = [{key: value for key, value in frame.items() if key != "heads"} for frame in lane["frames"]]
    return {**lane, "frames": frames, "packed": {"step": rounding, "data": data}}


def _unpack_heads(lane: dict, maps: int) -> None:
    packed = lane.pop("packed")
    differences = np.frombuffer(lzma.decompress(base64.b64decode(packed["data"])), np.uint8)
    levels = np.cumsum(differences.reshape(len(lane["frames"]), maps * lane["length"]), axis=0, dtype=np.uint8)
    heads = np.minimum(levels.astype(np.uint16) * packed["step"], 255).astype(np.uint8)
    for frame, values in zip(lane["frames"], heads, strict=True):
        frame["heads"] = base64.b64encode(values.tobytes()).decode("ascii")


def main(arguments: Sequence[str] | None = None) -> None:
    """Record the preset runs into assets/presets."""
    parser = argparse.ArgumentParser(prog="python -m sinkprune.lab.presets", description=main.__doc__)
    parser.add_argument("--model", default="bundled", help="registry name, folder or hub id")
    parser.add_argument("--only", nargs="+", choices=[recipe.name for recipe in RECIPES], help="record these only")
    parser.add_argument("--folder", type=Path, default=PRESET_FOLDER)
    options = parser.parse_args(arguments)
    loaded = load_model(options.model)
    for recipe in RECIPES:
        if options.only and recipe.name not in options.only:
            continue
        preset = record(loaded, recipe)
        path, rounding = write_preset(preset, options.folder)
        forwards = ", ".join(f"{lane['title']} {lane['nfe']} forwards" for lane in preset.trace["lanes"])
        print(f"{path.name}: {path.stat().st_size / 1024:.0f} KB, heads rounded to {rounding}/255; {forwards}")
        for lane in preset.trace["lanes"]:
            print(f"    {lane['title']}: {lane['text'][:300]!r}")


if __name__ == "__main__":
    main()
