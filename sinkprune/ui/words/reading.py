"""What figures say, in a sentence or two, for those who have not learned to read them yet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sinkprune.pruning.changes import MaskChanges
from sinkprune.recorded.pruned_sinks import PrunedRivers
from sinkprune.traces.commits import LaneCommits
from sinkprune.traces.numbers import percent, signed
from sinkprune.traces.sink_statistics import LaneStatistics, known_values, mean_trajectory
from sinkprune.traces.stages import Stages
from sinkprune.traces.value_norms import ValuePoints

UNRELATED = 0.3  # correlations closer to zero than this are not worth a claim
CACHED = "With a key-value cache a step counts only the rows that it computed: run without one before you compare."
STILL = 0.5  # temporal variance in tokens squared below which the centroid does not leave its token


def trajectory_words(lanes: Sequence[LaneStatistics]) -> str:
    """One sentence a lane title: where the sinks began and ended and how much they moved, in one run or on average over several."""
    return " ".join(
        _lane_reading(some[0]) if len(some) == 1 else _set_reading(title, some)
        for title, some in _by_title(lanes).items()
    )


def variance_words(lanes: Sequence[LaneStatistics]) -> str:
    """Both variances of each lane title; over several runs their mean and median."""
    temporal, spatial = (_values(lanes, field) for field in ("temporal_variance", "spatial_variance"))
    return f"Temporal variance (tokens²): {temporal}. Spatial variance: {spatial}."


def layers_words(layers: Sequence[LaneStatistics]) -> str:
    """In which layer the sinks of each lane title move most, and in how many they do not leave their token."""
    said = []
    for title, some in _by_title(layers).items():
        medians = _layer_medians(some)
        if not medians:
            said.append(f"{title}: no position stands out as a sink in any layer.")
            continue
        if not any(medians.values()):
            said.append(f"{title}: temporal variance is 0 in every layer.")
            continue
        most = max(medians, key=medians.get)
        still = sum(value < STILL for value in medians.values())
        said.append(
            f"{title}: temporal variance is largest in layer {most + 1} ({medians[most]:.3g} tokens²) and below {STILL} in {still} of "
            f"{len(medians)} layers."
        )
    return " ".join(said)


NO_VALUES = (
    "Not recorded here: under “How it writes”, tick that the lengths of value vectors are recorded, and press Run."
)


def value_words(lanes: Sequence[ValuePoints]) -> str:
    """How long the value vector of the most attended position of each lane is."""
    said = []
    for lane in lanes:
        most = int(np.argmax(lane.mass))
        said.append(
            f"{lane.title}: position {lane.positions[most]} receives most ({lane.mass[most]:.1f} times the mean), and its value vector "
            f"has {lane.values[most]:.2f} of the median length."
        )
    return " ".join(said) or NO_VALUES


def stage_words(stages: Sequence[Stages], prompt: str | None = None) -> str:
    """Which position receives most at each stage, and how many times the mean. prompt: named where it is not the visitor's own."""
    said = [f"Shown for the typical prompt “{prompt}”."] if prompt else []
    for lane in stages:
        leaders = np.nanargmax(lane.mean, axis=1)
        parts = [
            f"at {name} of the steps position {leader} ({mean[leader]:.1f} times the mean)"
            for name, leader, mean in zip(lane.names, leaders, lane.mean, strict=True)
        ]
        said.append(f"{lane.title}: most attention goes {', '.join(parts)}.")
    return " ".join(said)


def commits_reading(lanes: Sequence[LaneCommits], needed: float | None) -> str:
    """A line for each lane: how many tokens a forward pass committed, how often none was sure enough. needed: see `figures.commits`."""
    return "\n".join(f"- {_commits_of(lane, needed)}" for lane in lanes)


def _commits_of(lane: LaneCommits, needed: float | None) -> str:
    passes, tokens = len(lane.counts), sum(lane.counts)
    said = f"{lane.title}: {tokens} tokens in {passes} forward passes, {tokens / passes:.1f} each on average, at most {max(lane.counts)}"
    if needed is None:
        return f"{said}; every pass commits a fixed number, however sure the model is."
    return f"{said}; in {sum(lane.stalled)} passes no token reached {needed:.2g}, so only the best one was committed."


def rivers_words(rivers: PrunedRivers, way: str) -> str:
    """How much of the attention each method sends elsewhere, least first, and how often the same position leads."""
    moved = sorted((rivers.moved(method, way), method) for method in rivers.copies)
    parts = [
        f"{method} {percent(share, 1)} (same leader in {percent(rivers.same_leader(method, way))} of the steps)"
        for share, method in moved
    ]
    return f"Attention that goes to other positions than in the dense model, mean over the steps: {', '.join(parts)}."


def changes_reading(changes: MaskChanges) -> str:
    """What two sets of masks have in common: how many weights differ, where most, and whether strong sinks go with large differences."""
    by_head, by_linear = changes.disagreement_by_head.numpy(), changes.disagreement_by_linear.numpy()
    said = (
        f"The two masks decide differently about {percent(by_head.mean(), 2)} of the attention weights and "
        f"{percent(by_linear[:, 4:].mean(), 2)} of the MLP weights."
    )
    if by_head.max() > 0:
        layer, head = np.unravel_index(by_head.argmax(), by_head.shape)
        said += f" Most of all in layer {layer + 1}, head {head + 1} ({percent(by_head.max(), 2)})."
    strength = changes.sink_strength.numpy()
    if by_head.std() == 0 or strength.std() == 0:
        return said
    r = float(np.corrcoef(strength.ravel(), by_head.ravel())[0, 1])
    if abs(r) < UNRELATED:
        return f"{said} Over heads, sink strength and difference are hardly related (correlation {signed(r)})."
    return (
        f"{said} Heads with stronger sinks differ {'less' if r < 0 else 'more'} (correlation over heads {signed(r)})."
    )


def _by_title(lanes: Sequence[LaneStatistics]) -> dict[str, list[LaneStatistics]]:
    titles = dict.fromkeys(lane.title for lane in lanes)
    return {title: [lane for lane in lanes if lane.title == title] for title in titles}


def _layer_medians(lanes: Sequence[LaneStatistics]) -> dict[int, float]:
    """layer -> median temporal variance, of the layers where it is known."""
    layers = sorted({lane.layer for lane in lanes})
    values = {
        layer: known_values([lane for lane in lanes if lane.layer == layer], "temporal_variance") for layer in layers
    }
    return {layer: float(np.median(known)) for layer, known in values.items() if len(known)}


def _set_reading(title: str, lanes: Sequence[LaneStatistics]) -> str:
    centroids = [lane.centroids for lane in lanes if np.isfinite(lane.centroids).any()]
    if not centroids:
        return f"{title}: no position stands out as a sink in any of {len(lanes)} prompts."
    mean, deviation = mean_trajectory(centroids)
    begun, ended = (f"{mean[end]:.0f} ± {deviation[end]:.0f}" for end in (0, -1))
    moves = f"stays at position {begun}" if begun == ended else f"goes from position {begun} to {ended}"
    return f"{title}, {len(centroids)} prompts: the centre of the sinks {moves} on average."


def _values(lanes: Sequence[LaneStatistics], field: str) -> str:
    said = []
    for title, some in _by_title(lanes).items():
        values = known_values(some, field)
        if len(values) == 0:
            said.append(f"{title} has no sink")
        elif len(some) == 1:
            said.append(f"{title} {values[0]:.3g}")
        else:
            said.append(f"{title} {values.mean():.3g} (mean of {len(values)}, median {np.median(values):.3g})")
    return ", ".join(said)


def _lane_reading(lane: LaneStatistics) -> str:
    known = lane.centroids[np.isfinite(lane.centroids)]
    if len(known) == 0:
        return f"{lane.title}: no position stands out as a sink."
    leaders = len(set(lane.leaders.tolist()))
    led = f"{leaders} different positions led" if leaders > 1 else f"position {lane.leaders[0]} led at every step"
    variance = f"temporal variance {lane.temporal_variance:.3g} tokens²"
    if lane.temporal_variance < STILL:
        return f"{lane.title}: the sinks stay at position {known.mean():.0f} ({variance}); {led}."
    return f"{lane.title}: the centre of the sinks moves from position {known[0]:.0f} to {known[-1]:.0f} ({variance}); {led}."
