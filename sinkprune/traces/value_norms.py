"""Attention that tokens receive beside the length of their value vectors: sinks are looked at much and give little (arXiv 2601.19657)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sinkprune.traces.format import decode_lane, frame_values


@dataclass(frozen=True)
class ValuePoints:
    """One lane, a point a position that was read at least once; means over the steps that had it.

    layer: index of the layer, None for the mean over all. positions: (K,) int. mass: (K,) attention received, 1 is the mean position.
    values: (K,) length of the value vector, 1 is the median position of its layer and step.
    """

    title: str
    layer: int | None
    positions: np.ndarray
    mass: np.ndarray
    values: np.ndarray


def value_points(trace: dict, layer: int | None = None) -> list[ValuePoints]:
    """The points of each lane; none where value norms were not recorded. layer: counted from 0."""
    recorded = [lane for lane in trace["lanes"] if lane["frames"] and "values" in lane["frames"][0]]
    return [_points(trace, lane, layer) for lane in recorded]


def _points(trace: dict, lane: dict, layer: int | None) -> ValuePoints:
    arrays = decode_lane(trace, lane)
    share = arrays.share if layer is None else arrays.heads[:, layer].mean(1)
    mass = share * arrays.visible[:, None]  # (T, N)
    layers, length = trace["model"]["layers"], lane["length"]
    values = np.stack([frame_values(frame, layers, length) for frame in lane["frames"]])  # (T, L, N)
    known = ~np.isnan(values)
    chosen = slice(None) if layer is None else slice(layer, layer + 1)
    counts = known[:, chosen].sum((0, 1))
    positions = np.nonzero(counts)[0]
    mean = np.nansum(values[:, chosen], (0, 1))[positions] / counts[positions]
    steps = known.any(1)  # (T, N)
    attention = (mass * steps).sum(0)[positions] / steps.sum(0)[positions]
    return ValuePoints(lane["title"], layer, positions, attention, mean)
