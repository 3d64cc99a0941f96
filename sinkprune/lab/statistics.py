"""How sinks behave in whole runs: centroids, spatial and temporal variance of each lane, for one trace or for a set of prompts.

The sink set of a step is the positions whose mass exceeds the mean by more than two standard deviations (`sinks.reference_sink_set`), a
rule that does not depend on the mass's unit. Only positions that exist at a step count. Run as a command it prints the table of a set:

    python -m sinkprune.lab.statistics [--model NAME] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from sinkprune.decoding import DecodeConfig
from sinkprune.lab.runs import finish, trace_run
from sinkprune.lab.trace import decode_lane
from sinkprune.models import LoadedModel, load_model
from sinkprune.sinks import reference_sink_set, sink_trajectory, spatial_variance, temporal_variance

PROMPTS = (
    "Why is the sky blue?",
    "Write a short story about a fox who learns to swim.",
    "How do I make a simple vegetable soup?",
    "Explain what a star is to a child.",
    "Give me three tips for sleeping better.",
    "What is the capital of France and what can I see there?",
    "Describe a walk along the sea in winter.",
    "What is the difference between a frog and a toad?",
)
CONFIG = DecodeConfig(gen_length=96, block_length=32, steps=48)


@dataclass(frozen=True)
class LaneStatistics:
    """One lane in numbers. T steps, N positions.

    centroids: (T,) attention-weighted mean position of the sinks, NaN where a step has none. sinks: (T, N) bool.
    leaders: (T,) the position that received most.
    spatial_variance: eq. 6, mass in units of its mean. temporal_variance: eq. 7, tokens squared.
    """

    kind: str
    title: str
    prompt: str
    text: str
    centroids: np.ndarray
    sinks: np.ndarray
    leaders: np.ndarray
    spatial_variance: float
    temporal_variance: float


def lane_statistics(trace: dict, lane: dict) -> LaneStatistics:
    """The statistics of one lane. Raises ValueError without frames."""
    if not lane["frames"]:
        raise ValueError("this lane has no step yet: start a run first")
    arrays = decode_lane(trace, lane)
    masses = [torch.from_numpy(share[:n] * n).float() for share, n in zip(arrays.share, arrays.visible, strict=True)]
    sinks = np.zeros(arrays.share.shape, bool)
    for row, mass in zip(sinks, masses, strict=True):
        row[: len(mass)] = reference_sink_set(mass)
    return LaneStatistics(
        kind=lane["kind"],
        title=lane["title"],
        prompt=trace["prompt"],
        text=lane["text"],
        centroids=sink_trajectory(masses).numpy(),
        sinks=sinks,
        leaders=arrays.share.argmax(1),
        spatial_variance=spatial_variance(masses),
        temporal_variance=temporal_variance(masses),
    )


def trace_statistics(trace: dict) -> list[LaneStatistics]:
    """The statistics of each lane."""
    return [lane_statistics(trace, lane) for lane in trace["lanes"]]


def sink_statistics(
    loaded: LoadedModel, prompts: Sequence[str] = PROMPTS, config: DecodeConfig = CONFIG
) -> Iterator[list[LaneStatistics]]:
    """Run every prompt; after each yields its lanes' statistics: diffusion and, where the weights are causal too, autoregressive."""
    lanes = ("dlm", "ar") if loaded.spec.causal else ("dlm",)
    for prompt in prompts:
        yield trace_statistics(finish(trace_run(loaded, prompt, config, lanes)))


def summary(lanes: Sequence[LaneStatistics]) -> dict[str, dict[str, float]]:
    """kind -> {"prompts", "temporal_median", "temporal_min", "temporal_max", "spatial_median", "leaders_median"} over many prompts.

    leaders: number of different positions that lead a run.
    """
    result = {}
    for kind in dict.fromkeys(lane.kind for lane in lanes):
        chosen = [lane for lane in lanes if lane.kind == kind]
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
    """Print the statistics of the prompt set."""
    parser = argparse.ArgumentParser(prog="python -m sinkprune.lab.statistics", description=main.__doc__)
    parser.add_argument("--model", default="bundled", help="registry name, folder or hub id")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    lanes = [lane for run in sink_statistics(load_model(options.model)) for lane in run]
    if options.json:
        print(json.dumps({"runs": [_row(lane) for lane in lanes], "summary": summary(lanes)}, indent=1))
        return
    print(f"{'temporal':>10} {'spatial':>9} {'leaders':>7} {'centroid':>15}  lane, prompt")
    for row in map(_row, lanes):
        centroids = f"{row['first_centroid']:.1f} -> {row['last_centroid']:.1f}"
        numbers = (
            f"{row['temporal_variance']:>10.3f} {row['spatial_variance']:>9.3f} {row['leaders']:>7} {centroids:>15}"
        )
        print(f"{numbers}  {row['lane']:<3}  {row['prompt']}")
    for kind, numbers in summary(lanes).items():
        print(f"{kind}: " + ", ".join(f"{name} {value:.3g}" for name, value in numbers.items()))


if __name__ == "__main__":
    main()
