"""The comparison that the page opens with: a prompt written by the dense model and a pruned copy, and the numbers of all methods.

    python -m sinkprune.recorded.comparison [--model NAME] [--prompt TEXT]     # writes assets/comparison.json.gz

It is what "Prune and generate" and "Run all methods" give at the page's default settings. Its seconds are those of the machine that
recorded it.

The file: {"weights": fingerprint, "machine", "pruning", "calibration", "layers": [sparsity of each], "comparison": `Comparison.as_dict()`,
"methods": [`MethodRow` as a dict, the dense model's first], "trace"}; the heads of the trace are packed (`recorded.packed_heads`).
"""

from __future__ import annotations

import argparse
import gzip
import json
import lzma
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from sinkprune.decoding import DecodeConfig
from sinkprune.lab.all_methods import MethodRow, compare_all
from sinkprune.lab.card import RunCard, threads
from sinkprune.lab.comparison import Comparison, measure
from sinkprune.lab.request import Request
from sinkprune.lab.store import PrunedStore, store_key
from sinkprune.models import LoadedModel, load_model
from sinkprune.models.fingerprint import weights_fingerprint
from sinkprune.pruning import CalibrationConfig, PruneConfig, PruneResult, prune_steps
from sinkprune.pruning.settings import layer_sparsity
from sinkprune.recorded.packed_heads import ROUNDINGS, pack_heads, unpack_heads
from sinkprune.traces.check import check_trace
from sinkprune.traces.numbers import bits
from sinkprune.traces.parting import Divergence
from sinkprune.traces.runs import compare_run, finish

PATH = Path(__file__).resolve().parents[2] / "assets" / "comparison.json.gz"
MAX_BYTES = 400 * 1024
PROMPT = "Explain what a star is to a child"  # the prompt of the recorded run that the page opens with
DECODING = DecodeConfig(gen_length=96, block_length=32, steps=96, threshold=0.9, stop_at_end=True)
PRUNING = PruneConfig("sink-wanda", 0.5)
CALIBRATION = CalibrationConfig(samples=32)
STORE_BYTES = 512 * 2**20  # one copy of the bundled model by each method


@dataclass(frozen=True)
class RecordedComparison:
    """What was recorded. weights: `weights_fingerprint` of the dense model. machine: in words. layers: sparsity of each, in order.

    methods: the dense model's row first.
    """

    weights: str
    machine: str
    request: Request
    trace: dict
    comparison: Comparison
    layers: list[float]
    methods: list[MethodRow]


def record_comparison(
    loaded: LoadedModel,
    prompt: str = PROMPT,
    decoding: DecodeConfig = DECODING,
    pruning: PruneConfig = PRUNING,
    calibration: CalibrationConfig = CALIBRATION,
) -> RecordedComparison:
    """Prune by every method, each copy once. Raises ValueError where a method refuses this model."""
    store, measured = PrunedStore(STORE_BYTES), {}

    def prune(asked: PruneConfig, text: CalibrationConfig):
        key = store_key(loaded.spec, asked, text)
        return store.build(key, loaded, lambda: prune_steps(loaded, asked, text, measured=measured))

    result = next(step for step in prune(pruning, calibration) if isinstance(step, PruneResult))
    made = pruning, calibration
    key = store_key(loaded.spec, *made)
    trace = finish(compare_run(loaded, result.loaded, key, prompt, decoding, *made))
    comparison = measure(loaded, result, trace, decoding, *made)
    steps = compare_all(loaded, prompt, decoding, pruning, calibration, prune)
    return RecordedComparison(
        weights_fingerprint(loaded),
        f"{loaded.device.type.upper()}, {threads(torch.get_num_threads())}",
        Request(loaded.spec.public_name, prompt, decoding, *made),
        {**trace, "run": "recorded-comparison"},
        comparison,
        layer_sparsity(result.masks),
        [step for step in steps if isinstance(step, MethodRow)],
    )


def write_comparison(found: RecordedComparison, path: Path = PATH) -> None:
    """Write it in at most MAX_BYTES. Raises ValueError where that cannot be done."""
    stored = {
        "weights": found.weights,
        "machine": found.machine,
        "pruning": asdict(found.request.pruning),
        "calibration": asdict(found.request.calibration),
        "layers": [round(share, 4) for share in found.layers],
        "comparison": found.comparison.as_dict(),
        "methods": [asdict(row) for row in found.methods],
    }
    for rounding in ROUNDINGS:
        text = json.dumps({**stored, "trace": pack_heads(found.trace, rounding)}, ensure_ascii=False)
        content = gzip.compress(text.encode(), mtime=0)
        if len(content) <= MAX_BYTES:
            path.write_bytes(content)
            return
    raise ValueError(f"the comparison takes {len(content)} bytes even when rounded: record a shorter answer")


def load_comparison(path: Path = PATH) -> RecordedComparison | None:
    """What was recorded; None where nothing was. Raises ValueError for a damaged file."""
    if not path.exists():
        return None
    try:
        stored = json.loads(gzip.decompress(path.read_bytes()))
        unpack_heads(stored["trace"])
        check_trace(stored["trace"])
        return _read(stored)
    except (OSError, EOFError, KeyError, TypeError, ValueError, AttributeError, lzma.LZMAError) as error:
        raise ValueError(
            f"{path.name} is damaged ({error}): record it again with `python -m sinkprune.recorded.comparison`"
        ) from error


def _read(stored: dict) -> RecordedComparison:
    trace, pruning = stored["trace"], stored["pruning"]
    pattern = pruning["pattern"] and tuple(pruning["pattern"])
    made = PruneConfig(**{**pruning, "pattern": pattern}), CalibrationConfig(**stored["calibration"])
    request = Request(trace["model"]["name"], trace["prompt"], _decoding(trace["settings"]), *made)
    comparison = _comparison(stored["comparison"])
    comparison.as_markdown()  # says every number once: one of another type is noticed here and not on the page
    methods = [MethodRow(**row) for row in stored["methods"]]
    if methods[0].method != "dense" or len(trace["lanes"]) != 2:
        raise ValueError("it needs the dense model's row first, and two lanes")
    return RecordedComparison(
        stored["weights"], stored["machine"], request, trace, comparison, stored["layers"], methods
    )


def _decoding(settings: dict) -> DecodeConfig:
    """The settings of a compared run say more than how it writes."""
    return DecodeConfig(**{name: settings[name] for name in DecodeConfig.__dataclass_fields__ if name in settings})


def _comparison(stored: dict) -> Comparison:
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()}
    cards = {name: RunCard(**stored[name]) for name in ("dense", "pruned")}
    parting = stored["parting"] and Divergence(**stored["parting"])
    return Comparison(**{**values, **cards, "parting": parting})


def main(arguments: Sequence[str] | None = None) -> None:
    """Record the comparison that the page opens with into assets/comparison.json.gz."""
    parser = argparse.ArgumentParser(prog="python -m sinkprune.recorded.comparison", description=main.__doc__)
    parser.add_argument("--model", default="bundled", help="registry name, folder or hub id")
    parser.add_argument("--prompt", default=PROMPT)
    parser.add_argument("--file", type=Path, default=PATH)
    options = parser.parse_args(arguments)
    write_comparison(record_comparison(load_model(options.model), options.prompt), options.file)
    found = load_comparison(options.file)
    print(f"{options.file.name}: {options.file.stat().st_size / 1024:.0f} KB\n{found.comparison.as_markdown()}")
    for row in found.methods:
        print(f"{row.method:<16} {bits(row.nats):.3f} bits, pruned in {row.prune_seconds:.1f} s: {row.text[:100]!r}")


if __name__ == "__main__":
    main()
