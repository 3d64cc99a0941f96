"""The pruning table's summary: means over seeds and texts, and sink-aware pruning against its baselines. Pure functions of the cells.

A summary is one JSON object, in bits per token unless said otherwise; an interval is [mean, low, high] of 95 % (lab.intervals):

    model, weights, protocol, dtype, machine, torch   what was measured, on what (the first line of cells.jsonl)
    dense      {"bits", "error" (standard error over texts), "repeated"}
    rows       one a variant and sparsity: "bits", "above_dense" (interval), "agreement", "repeated" (shares), "achieved" (share),
               "prune_seconds", "seeds"; structured methods also "speed_up" and "parameters"
    gains      one a pair of methods and sparsity: "variant", "baseline", "kind" ("official" or "ablation"), "gain" (interval of baseline -
               variant: above 0, the sink-aware method finds the texts likelier), "verdict" ("win", "tie", "loss")
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from statistics import mean, stdev

import numpy as np

from sinkprune.lab.intervals import Interval, crossed_interval
from sinkprune.pruning.methods import RECORDS
from sinkprune.recorded.table_cells import Cell, Protocol, plan

Cells = dict[tuple[str, float], list[dict]]  # (variant, sparsity) -> its cells, by seed


@dataclass(frozen=True)
class MethodPair:
    """A sink-aware method against a baseline: the official method, or its own ablation (only the sink weight switched off)."""

    variant: str
    baseline: str
    kind: str


SINK_AWARE = [method for method in RECORDS if method.sink_aware]
PAIRS = (
    *(MethodPair(method.name, method.baseline, "official") for method in SINK_AWARE),
    *(MethodPair(method.name, method.ablation, "ablation") for method in SINK_AWARE),
)


def complete_seeds(about: dict, lines: list[dict]) -> list[int]:
    """The calibration seeds of the protocol whose cells are all there."""
    protocol = Protocol(**{name: tuple(v) if isinstance(v, list) else v for name, v in about["protocol"].items()})
    there = {Cell(line["variant"], line["sparsity"], line["seed"]) for line in lines}
    return [seed for seed in protocol.seeds if all(cell in there for cell in plan(protocol) if cell.seed == seed)]


def summarise(about: dict, lines: list[dict]) -> dict:
    """The summary of a file of cells, over its complete seeds: `protocol.seeds` names them.

    Raises ValueError where the dense model is missing or no seed is complete.
    """
    dense = next((line for line in lines if line["variant"] == "dense"), None)
    if dense is None:
        raise ValueError("these cells lack the dense model: run the table's command")
    seeds = complete_seeds(about, lines)
    if not seeds:
        raise ValueError("no calibration seed of these cells is complete: run the table's command again, it goes on")
    cells: Cells = {}
    for line in sorted(lines, key=lambda line: line["seed"]):
        if line is not dense and line["seed"] in seeds:
            cells.setdefault((line["variant"], line["sparsity"]), []).append(line)
    return {
        **about,
        "protocol": {**about["protocol"], "seeds": seeds},
        "dense": {
            "bits": _rounded(mean(dense["bits"])),
            "error": _rounded(stdev(dense["bits"]) / math.sqrt(len(dense["bits"]))),
            "repeated": _rounded(mean(dense["repeated"])),
        },
        "rows": [_row(group, dense) for group in cells.values()],
        "gains": [
            _gain(pair, sparsity, cells)
            for pair in PAIRS
            for variant, sparsity in cells
            if variant == pair.variant and (pair.baseline, sparsity) in cells
        ],
    }


def _row(group: list[dict], dense: dict) -> dict:
    row = {
        "variant": group[0]["variant"],
        "sparsity": group[0]["sparsity"],
        "seeds": len(group),
        "bits": _rounded(_bits(group).mean()),
        "above_dense": _interval(crossed_interval(_bits(group) - np.array(dense["bits"]))),
        "agreement": _rounded(mean(share for line in group for share in line["agreement"])),
        "repeated": _rounded(mean(share for line in group for share in line["repeated"])),
    }
    for name in ("achieved", "prune_seconds", "speed_up", "parameters"):
        if name in group[0]:
            row[name] = _rounded(mean(line[name] for line in group))
    return row


def _gain(pair: MethodPair, sparsity: float, cells: Cells) -> dict:
    interval = crossed_interval(_bits(cells[pair.baseline, sparsity]) - _bits(cells[pair.variant, sparsity]))
    return {
        "variant": pair.variant,
        "baseline": pair.baseline,
        "kind": pair.kind,
        "sparsity": sparsity,
        "gain": _interval(interval),
        "verdict": interval.verdict,
    }


def _bits(group: list[dict]) -> np.ndarray:
    """(seeds, texts)"""
    return np.array([line["bits"] for line in group])


def _interval(interval: Interval) -> list[float]:
    return [_rounded(value) for value in astuple(interval)]


def _rounded(value: float) -> float:
    return round(float(value), 5)
