"""Recorded runs that play at once, without a model: `load_presets()` reads them, this module as a command records them.

    python -m sinkprune.recorded.presets [--model NAME]     # records all candidates, keeps the clearest run of each property

The command runs every candidate (`recorded.candidates`) and measures the properties of each run (`recorded.properties`). For every
property the clearest run is kept, each run once as long as there are others.
Sentences are read off the recordings as they are stored, so they are
true of them whatever model wrote them. Answers that are short or repeat themselves are left out, and runs of few steps wherever steps
are to be watched. It says which property no run showed.

A preset is one gzip file of JSON: {"name", "title", "look", "trace"}; its name is that of its property. The heads of its trace are packed
(`recorded.packed_heads`), rounded as far as MAX_BYTES asks.
"""

from __future__ import annotations

import argparse
import gzip
import json
import lzma
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sinkprune.lab.overlap import repeated_ngrams
from sinkprune.models import LoadedModel, load_model
from sinkprune.recorded.candidates import CANDIDATES, Candidate
from sinkprune.recorded.packed_heads import ROUNDINGS, pack_heads, unpack_heads
from sinkprune.recorded.properties import PROPERTIES, Finding, best_finding
from sinkprune.recorded.watched import Watched
from sinkprune.traces.check import check_trace
from sinkprune.traces.runs import finish, trace_run

PRESET_FOLDER = Path(__file__).resolve().parents[2] / "assets" / "presets"
MAX_BYTES = 300 * 1024
MIN_WORDS = 8  # an answer with fewer is too short to be watched
MAX_REPEATED = 0.1  # share of an answer's word triples that were there before
MIN_STEPS = 16  # a run of fewer is over before its sinks were seen to move


@dataclass(frozen=True)
class Preset:
    """A recorded run. look: one sentence on what to look for."""

    name: str
    title: str
    look: str
    trace: dict


def load_presets(folder: Path = PRESET_FOLDER) -> list[Preset]:
    """All presets in `folder` in the order of PROPERTIES, others after them by name; empty where nothing is recorded."""
    order = {name: number for number, name in enumerate(PROPERTIES)}
    presets = [read_preset(path) for path in sorted(folder.glob("*.json.gz"))]
    return sorted(presets, key=lambda preset: (order.get(preset.name, len(order)), preset.name))


def read_preset(path: Path) -> Preset:
    """One preset with its trace unpacked. Raises ValueError where the file is damaged."""
    try:
        stored = json.loads(gzip.decompress(path.read_bytes()))
        trace = stored["trace"]
        unpack_heads(trace)
        check_trace(trace)
        return Preset(stored["name"], stored["title"], stored["look"], trace)
    except (OSError, EOFError, KeyError, TypeError, ValueError, lzma.LZMAError) as error:
        raise ValueError(
            f"the preset {path.name} is damaged ({error}): record it again with `python -m sinkprune.recorded.presets`"
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


def record(loaded: LoadedModel, candidate: Candidate) -> dict:
    """The finished trace of a candidate, both lanes."""
    return finish(trace_run(loaded, candidate.prompt, candidate.config))


def is_readable(trace: dict) -> bool:
    """Whether the diffusion lane's answer has MIN_WORDS words and hardly repeats itself."""
    words = trace["lanes"][0]["text"].lower().split()
    return len(words) >= MIN_WORDS and repeated_ngrams(words, 3) <= MAX_REPEATED


def choose(findings: Sequence[dict[str, Finding]]) -> dict[str, list[int]]:
    """property -> runs that show it, the one to keep first.

    findings: of each run, property -> what was found. Rare properties choose first; a run goes to one property as long as there are others.
    """
    shown = {
        name: sorted((n for n, found in enumerate(findings) if name in found), key=lambda n: -findings[n][name].score)
        for name in PROPERTIES
    }
    taken: set[int] = set()
    for name in sorted(PROPERTIES, key=lambda name: len(shown[name])):
        shown[name].sort(key=lambda run: run in taken)  # stable: the clearest of the free ones comes first
        taken.update(shown[name][:1])
    return {name: runs for name, runs in shown.items() if runs}


def keep(name: str, trace: dict, folder: Path) -> Preset | None:
    """Write a run as the preset of a property, described as it is stored; None where the stored run does not show it any more.

    The trace's run id becomes the preset's name, so that recording again changes only what changed.
    """
    trace = {**trace, "run": f"preset-{name}"}
    path, rounding = write_preset(Preset(name, "", "", trace), folder)
    stored = read_preset(path).trace
    finding = best_finding(name, Watched(stored))
    if finding is None:
        path.unlink()
        return None
    preset = Preset(name, PROPERTIES[name].title, finding.look, {**stored, "view": {"layer": finding.layer}})
    path.write_bytes(_packed(preset, rounding))
    return preset


def record_presets(
    loaded: LoadedModel, candidates: Sequence[Candidate] = CANDIDATES, folder: Path = PRESET_FOLDER
) -> dict[str, Preset | None]:
    """Run the candidates and replace the presets in `folder`: property -> preset, None where no run showed it."""
    traces, findings = [], []
    for number, candidate in enumerate(candidates, 1):
        trace = record(loaded, candidate)
        run = Watched(trace)
        names = [name for name, shown in PROPERTIES.items() if shown.fast or run.steps >= MIN_STEPS]
        found = {name: finding for name in names if (finding := best_finding(name, run))}
        readable = is_readable(trace)
        shown = ", ".join(found) if readable else "hardly readable"
        print(f"{number}/{len(candidates)} {candidate.prompt!r}: {shown}", flush=True)
        if readable:
            traces.append(trace)
            findings.append(found)
    chosen = choose(findings)
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.json.gz"):
        path.unlink()
    return {
        name: next((preset for run in chosen.get(name, []) if (preset := keep(name, traces[run], folder))), None)
        for name in PROPERTIES
    }


def _packed(preset: Preset, rounding: int) -> bytes:
    stored = {
        "name": preset.name,
        "title": preset.title,
        "look": preset.look,
        "trace": pack_heads(preset.trace, rounding),
    }
    text = json.dumps(stored, ensure_ascii=False, separators=(",", ":"))
    return gzip.compress(text.encode(), mtime=0)


def main(arguments: Sequence[str] | None = None) -> None:
    """Record the candidates and keep the clearest run of each property in assets/presets."""
    parser = argparse.ArgumentParser(prog="python -m sinkprune.recorded.presets", description=main.__doc__)
    parser.add_argument(
        "--model", default="bundled", help="registry name, folder or hub id; its weights must be causal too"
    )
    parser.add_argument("--folder", type=Path, default=PRESET_FOLDER)
    options = parser.parse_args(arguments)
    for name, preset in record_presets(load_model(options.model), folder=options.folder).items():
        if preset is None:
            print(f"\n{name}: no readable run shows it")
            continue
        size = (options.folder / f"{name}.json.gz").stat().st_size / 1024
        print(f"\n{name}: {preset.title} ({size:.0f} KB)\n    {preset.look}")
        for lane in preset.trace["lanes"]:
            print(f"    {lane['title']}, {lane['nfe']} forwards: {lane['text'][:300]!r}")


if __name__ == "__main__":
    main()
