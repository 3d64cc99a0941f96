"""Which pruning decisions the sink weight changes, head by head (paper Fig. 7 and 8), recorded in a few numbers.

    python -m sinkprune.recorded.head_changes [--model NAME]     # writes assets/head-changes.json

The file: {"model", "weights" (their hash), "sparsity", "calibration", "heads", "pairs": [{"base" ("wanda" or "sparsegpt"), "method",
"against", "flipped" (share of all pruned weights), "alignment", "moved"}]}. alignment: Pearson correlation over heads of sink strength and
share of decisions that differ, with its 95 % interval. moved: mean over heads of |sparsity difference|, with its 95 % interval.
An interval is [mean, low, high].
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, astuple
from pathlib import Path

import numpy as np

from sinkprune.lab.intervals import crossed_interval
from sinkprune.models import LoadedModel, load_model
from sinkprune.models.fingerprint import weights_fingerprint
from sinkprune.pruning import CalibrationConfig, PruneConfig, calibration_set, prune_model
from sinkprune.pruning.changes import MaskChanges, mask_changes

FILE = Path(__file__).resolve().parents[2] / "assets" / "head-changes.json"
PAIRS = (
    ("wanda", "sink-wanda", "wanda"),
    ("wanda", "sink-wanda", "sink-wanda, weight 1"),
    ("sparsegpt", "sink-sparsegpt", "sparsegpt"),
)  # base, sink-aware method, what it is compared with
SEQUENCES = 8  # on which the strength of sinks is measured


def record_head_changes(
    loaded: LoadedModel, sparsity: float = 0.5, calibration: CalibrationConfig | None = None
) -> dict:
    """Prune by both members of each pair and compare their masks."""
    calibration = calibration or CalibrationConfig()
    ids = calibration_set(loaded, calibration)[:SEQUENCES]
    measured, masks, pairs = {}, {}, []
    for base, method, against in PAIRS:
        for name in (method, against):
            if name not in masks:
                config = PruneConfig(name.split(",")[0], sparsity, sink_weight="weight 1" not in name)
                masks[name] = prune_model(loaded, config, calibration, measured=measured).masks
        changes = mask_changes(loaded, masks[against], masks[method], ids, calibration.seed)
        flips = sum(int((masks[against][name] ^ mask).sum()) for name, mask in masks[method].items())
        weights = sum(mask.numel() for mask in masks[method].values())
        pairs.append(
            {"base": base, "method": method, "against": against, "flipped": flips / weights} | _numbers(changes)
        )
    return {
        "model": loaded.spec.name,
        "weights": weights_fingerprint(loaded),
        "sparsity": sparsity,
        "calibration": asdict(calibration),
        "heads": changes.sink_strength.numel(),
        "pairs": pairs,
    }


def _numbers(changes: MaskChanges) -> dict:
    strength, differ = (values.flatten().numpy() for values in (changes.sink_strength, changes.disagreement_by_head))
    moved = np.abs(changes.difference_by_head.numpy()).reshape(1, -1)
    return {"alignment": correlation(strength, differ), "moved": list(astuple(crossed_interval(moved)))}


def correlation(first: np.ndarray, second: np.ndarray) -> list[float] | None:
    """[r, low, high]: Pearson's correlation with Fisher's 95 % interval; None where one of them does not vary."""
    if len(first) < 4 or first.std() == 0 or second.std() == 0:
        return None
    r = float(np.corrcoef(first, second)[0, 1])
    middle, half = math.atanh(max(-0.999999, min(0.999999, r))), 1.96 / math.sqrt(len(first) - 3)
    return [r, math.tanh(middle - half), math.tanh(middle + half)]


def load_head_changes(path: Path = FILE) -> dict | None:
    """What was recorded; None where nothing was."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def main(arguments: Sequence[str] | None = None) -> None:
    """Record which decisions the sink weight changes into assets/head-changes.json."""
    parser = argparse.ArgumentParser(prog="python -m sinkprune.recorded.head_changes", description=main.__doc__)
    parser.add_argument("--model", default="bundled", help="registry name, folder or hub id")
    parser.add_argument("--samples", type=int, default=CalibrationConfig().samples, help="calibration sequences")
    parser.add_argument("--file", type=Path, default=FILE)
    options = parser.parse_args(arguments)
    found = record_head_changes(load_model(options.model), calibration=CalibrationConfig(samples=options.samples))
    options.file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    for pair in found["pairs"]:
        print(pair)


if __name__ == "__main__":
    main()
