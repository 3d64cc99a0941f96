"""What the figures of a run say, in one sentence a lane, for those who have not learned to read them yet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sinkprune.lab.statistics import LaneStatistics

STILL = 0.5  # temporal variance in tokens squared below which the centroid does not leave its token


def reading(lanes: Sequence[LaneStatistics]) -> str:
    """One sentence a lane: where the sinks began and ended, how much they moved, how many positions led."""
    return " ".join(_lane_reading(lane) for lane in lanes)


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
