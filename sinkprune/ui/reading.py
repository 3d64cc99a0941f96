"""What figures say, in a sentence or two, for those who have not learned to read them yet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sinkprune.lab.commits import LaneCommits
from sinkprune.lab.statistics import LaneStatistics
from sinkprune.pruning.changes import MaskChanges

UNRELATED = 0.3  # correlations closer to zero than this are not worth a claim
STILL = 0.5  # temporal variance in tokens squared below which the centroid does not leave its token


def reading(lanes: Sequence[LaneStatistics]) -> str:
    """One sentence a lane: where the sinks began and ended, how much they moved, how many positions led."""
    return " ".join(_lane_reading(lane) for lane in lanes)


def commits_reading(lanes: Sequence[LaneCommits], needed: float | None) -> str:
    """One sentence a lane: how many tokens a forward pass committed, and how often none was sure enough. needed: see `lab.commits`."""
    return " ".join(_commits_of(lane, needed) for lane in lanes)


def _commits_of(lane: LaneCommits, needed: float | None) -> str:
    passes, tokens = len(lane.counts), sum(lane.counts)
    said = f"{lane.title}: {tokens} tokens in {passes} forward passes, {tokens / passes:.1f} each on average, at most {max(lane.counts)}"
    if needed is None:
        return f"{said}; every pass commits a fixed number, however sure the model is."
    return f"{said}; in {sum(lane.stalled)} passes no token reached {needed:.2g}, so only the best one was committed."


def changes_reading(changes: MaskChanges) -> str:
    """What two sets of masks have in common: how many weights differ, where most, and whether strong sinks go with large differences."""
    by_head, by_linear = changes.disagreement_by_head.numpy(), changes.disagreement_by_linear.numpy()
    said = (
        f"The two masks decide differently about {by_head.mean():.2%} of the attention weights and {by_linear[:, 4:].mean():.2%} of the "
        "MLP weights."
    )
    if by_head.max() > 0:
        layer, head = np.unravel_index(by_head.argmax(), by_head.shape)
        said += f" Most of all in layer {layer + 1}, head {head + 1} ({by_head.max():.2%})."
    strength = changes.sink_strength.numpy()
    if by_head.std() == 0 or strength.std() == 0:
        return said
    r = float(np.corrcoef(strength.ravel(), by_head.ravel())[0, 1])
    if abs(r) < UNRELATED:
        return f"{said} Over heads, sink strength and difference are hardly related (correlation {r:+.2f})."
    return f"{said} Heads with stronger sinks differ {'less' if r < 0 else 'more'} (correlation over heads {r:+.2f})."


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
