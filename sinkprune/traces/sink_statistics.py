"""How sinks behave in whole runs: centroids, spatial and temporal variance of each lane, for one trace or for a set of prompts.

Everything is measured on the mean over all layers and heads or on one layer (the mean over its heads). The two tell different things: a
sink that all layers share can hide, in the mean, sinks that wander in single layers. Layers count from 0 here and from 1 on screen.

The sink set of a step holds the positions whose mass exceeds the mean by more than two standard deviations (`sinks.reference_sink_set`).
The rule does not depend on the unit of mass. Only positions that exist at a step count. Run as a command it prints the table of a set of
prompts and the medians of each layer:

    python -m sinkprune.traces.sink_statistics [--model NAME] [--json]
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from sinkprune.decoding import DecodeConfig
from sinkprune.models import LoadedModel, load_model
from sinkprune.models.writing import json_text
from sinkprune.sinks import centroid_variance, reference_sink_set, sink_trajectory, spatial_variance
from sinkprune.traces.format import LaneArrays, decode_lane
from sinkprune.traces.runs import finish, trace_run

PROMPTS = (
    "Why is the sky blue?",
    "Write a short story about a fox who learns to swim.",
    "How do I make a simple vegetable soup?",
    "Explain what a star is to a child.",
    "Give me three tips for sleeping better.",
    "What is the capital of France and what can I see there?",
    "Describe a walk along the sea in winter.",
    "What is the difference between a frog and a toad?",
    "Tell me a bedtime story about the moon",
    "How does a bicycle stay upright",
    "The old house at the end of the road",
    "What makes a good friend",
    "Explain how bread is baked",
    "Why do leaves change colour in autumn",
    "Give me a plan for a day in a big city",
    "Tell me about the life of bees",
)
MEASURES = ("temporal_variance", "spatial_variance", "moves")
PROGRESS = np.linspace(0, 100, 51)  # percent of the steps: where runs of different lengths are compared
CONFIG = DecodeConfig(gen_length=96, block_length=32, steps=96, threshold=0.9)


@dataclass(frozen=True)
class LaneStatistics:
    """One lane in numbers. T steps, N positions.

    layer: index of the layer that was measured, None for the mean over all.
    centroids: (T,) attention-weighted mean position of the sinks, NaN where a step has none. sinks: (T, N) bool.
    leaders: (T,) the position that received most. moves: how often the leading sink changed; steps without a sink do not count.
    spatial_variance: eq. 6, mass in units of its mean. temporal_variance: eq. 7, tokens squared.
    """

    kind: str
    title: str
    prompt: str
    text: str
    layer: int | None
    centroids: np.ndarray
    sinks: np.ndarray
    leaders: np.ndarray
    moves: int
    spatial_variance: float
    temporal_variance: float


def lane_statistics(trace: dict, lane: dict, layer: int | None = None) -> LaneStatistics:
    """The statistics of one lane in one layer or in the mean over all. Raises ValueError without frames or without that layer."""
    layers = trace["model"]["layers"]
    if layer is not None and not 0 <= layer < layers:
        raise ValueError(f"there is no layer {layer}: the model has layers 0 to {layers - 1}")
    return _measure(trace, lane, _decoded(trace, lane), layer)


def trace_statistics(trace: dict, layer: int | None = None) -> list[LaneStatistics]:
    """The statistics of each lane in one layer or in the mean over all."""
    return [lane_statistics(trace, lane, layer) for lane in trace["lanes"]]


def layer_statistics(trace: dict) -> list[LaneStatistics]:
    """The statistics of each lane in each layer: all layers of the first lane, then all of the next."""
    decoded = [(lane, _decoded(trace, lane)) for lane in trace["lanes"]]
    return [
        _measure(trace, lane, arrays, layer) for lane, arrays in decoded for layer in range(trace["model"]["layers"])
    ]


def _decoded(trace: dict, lane: dict) -> LaneArrays:
    if not lane["frames"]:
        raise ValueError("this lane has no step yet: start a run first")
    return decode_lane(trace, lane)


def _measure(trace: dict, lane: dict, arrays: LaneArrays, layer: int | None) -> LaneStatistics:
    share = arrays.share if layer is None else arrays.heads[:, layer].mean(1)
    masses = [torch.from_numpy(row[:n] * n).float() for row, n in zip(share, arrays.visible, strict=True)]
    sinks = np.zeros(share.shape, bool)
    for row, mass in zip(sinks, masses, strict=True):
        row[: len(mass)] = reference_sink_set(mass)
    leaders, trajectory = share.argmax(1), sink_trajectory(masses)
    leading = leaders[sinks.any(1)]
    return LaneStatistics(
        kind=lane["kind"],
        title=lane["title"],
        prompt=trace["prompt"],
        text=lane["text"],
        layer=layer,
        centroids=trajectory.numpy(),
        sinks=sinks,
        leaders=leaders,
        moves=int((leading[1:] != leading[:-1]).sum()),
        spatial_variance=spatial_variance(masses),
        temporal_variance=centroid_variance(trajectory),
    )


def sink_statistics(
    loaded: LoadedModel, prompts: Sequence[str] = PROMPTS, config: DecodeConfig = CONFIG
) -> Iterator[list[LaneStatistics]]:
    """Run every prompt; after each yields its lanes' statistics, first in the mean over all layers, then in each layer.

    Lanes: diffusion and, where the weights are causal too, autoregressive.
    """
    lanes = ("dlm", "ar") if loaded.spec.causal else ("dlm",)
    for prompt in prompts:
        trace = finish(trace_run(loaded, prompt, config, lanes))
        yield [*trace_statistics(trace), *layer_statistics(trace)]


def summary(lanes: Sequence[LaneStatistics]) -> dict[str, dict[str, float]]:
    """kind -> {"prompts", "temporal_median", "temporal_min", "temporal_max", "spatial_median", "leaders_median"} of the mean over layers.

    leaders: number of different positions that lead a run.
    """
    result = {}
    for kind, chosen in _by_kind(lane for lane in lanes if lane.layer is None).items():
        temporal = [lane.temporal_variance for lane in chosen]
        result[kind] = {
            "prompts": len(chosen),
            "temporal_median": statistics.median(temporal),
            "temporal_min": min(temporal),
            "temporal_max": max(temporal),
            "spatial_median": statistics.median(lane.spatial_variance for lane in chosen),
            "leaders_median": statistics.median(len(set(lane.leaders.tolist())) for lane in chosen),
        }
    return result


def layer_medians(lanes: Sequence[LaneStatistics]) -> dict[str, list[dict[str, float]]]:
    """kind -> one {"layer", "temporal_variance", "spatial_variance", "moves"} per layer: medians over runs, NaN where no run has a sink."""
    result = {}
    for kind, chosen in _by_kind(lane for lane in lanes if lane.layer is not None).items():
        result[kind] = [
            {"layer": layer} | _medians([lane for lane in chosen if lane.layer == layer])
            for layer in sorted({lane.layer for lane in chosen})
        ]
    return result


def known_values(lanes: Iterable[LaneStatistics], field: str) -> np.ndarray:
    """That field of every lane that has a value there (a variance is NaN where no step has a sink)."""
    values = np.array([getattr(lane, field) for lane in lanes], float)
    return values[np.isfinite(values)]


def mean_trajectory(centroids: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(mean, population standard deviation) at PROGRESS of runs of different lengths, each stretched to 0 … 100 % of its steps.

    Steps without a sink are bridged; every run needs a step with one.
    """
    known = [(progress(len(run))[np.isfinite(run)], run[np.isfinite(run)]) for run in centroids]
    runs = np.stack([np.interp(PROGRESS, done, run) for done, run in known])
    return runs.mean(0), runs.std(0)


def progress(steps: int) -> np.ndarray:
    """(T,) how much of the run is done at each of its T steps, 0 … 100 %."""
    return np.linspace(0, 100, steps) if steps > 1 else np.zeros(steps)


def _medians(lanes: Sequence[LaneStatistics]) -> dict[str, float]:
    values = {name: known_values(lanes, name) for name in MEASURES}
    return {name: float(np.median(known)) if len(known) else math.nan for name, known in values.items()}


def _by_kind(lanes: Iterable[LaneStatistics]) -> dict[str, list[LaneStatistics]]:
    kinds: dict[str, list[LaneStatistics]] = {}
    for lane in lanes:
        kinds.setdefault(lane.kind, []).append(lane)
    return kinds


def _row(lane: LaneStatistics) -> dict:
    return {
        "prompt": lane.prompt,
        "lane": lane.kind,
        "steps": len(lane.centroids),
        "temporal_variance": round(lane.temporal_variance, 4),
        "spatial_variance": round(lane.spatial_variance, 4),
        "first_centroid": round(float(lane.centroids[0]), 2),
        "last_centroid": round(float(lane.centroids[-1]), 2),
        "leaders": len(set(lane.leaders.tolist())),
        "text": lane.text,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the statistics of the prompt set, in the mean over layers and layer by layer."""
    parser = argparse.ArgumentParser(prog="python -m sinkprune.traces.sink_statistics", description=main.__doc__)
    parser.add_argument("--model", default="bundled", help="registry name, folder or hub id")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    lanes = [lane for run in sink_statistics(load_model(options.model)) for lane in run]
    rows = [_row(lane) for lane in lanes if lane.layer is None]
    if options.json:
        print(json_text({"runs": rows, "summary": summary(lanes), "layers": layer_medians(lanes)}, indent=1))
        return
    print("Mean over all layers")
    _print_runs(rows)
    for kind, numbers in summary(lanes).items():
        print(f"{kind}: " + ", ".join(f"{name} {value:.3g}" for name, value in numbers.items()))
    print("\nLayer by layer, medians over the prompts (layers from 1)")
    _print_layers(layer_medians(lanes))


def _print_runs(rows: Sequence[dict]) -> None:
    print(f"{'temporal':>10} {'spatial':>9} {'leaders':>7} {'centroid':>15}  lane, prompt")
    for row in rows:
        centroids = f"{row['first_centroid']:.1f} -> {row['last_centroid']:.1f}"
        numbers = (
            f"{row['temporal_variance']:>10.3f} {row['spatial_variance']:>9.3f} {row['leaders']:>7} {centroids:>15}"
        )
        print(f"{numbers}  {row['lane']:<3}  {row['prompt']}")


def _print_layers(medians: dict[str, list[dict[str, float]]]) -> None:
    print(
        "layer" + "".join(f"{kind + ' temporal':>15}{kind + ' spatial':>13}{kind + ' moves':>11}" for kind in medians)
    )
    for rows in zip(*medians.values(), strict=True):
        numbers = (f"{r['temporal_variance']:>15.3g}{r['spatial_variance']:>13.3g}{r['moves']:>11.3g}" for r in rows)
        print(f"{rows[0]['layer'] + 1:>5}" + "".join(numbers))


if __name__ == "__main__":
    main()
