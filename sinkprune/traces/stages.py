"""Attention received at a quarter, half and three quarters of the steps, in every layer and head: the data of the paper's Fig. 2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sinkprune.traces.format import decode_lane
from sinkprune.traces.numbers import percent

STAGES = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class Stages:
    """One lane at a few of its steps. S stages, N positions, L layers, H heads.

    names: "25%" …; steps: index of each stage's step. masses: (S, L, H, N) float32, attention received in units of the mean (1 = uniform),
    NaN where a position did not exist yet.
    """

    title: str
    names: list[str]
    steps: list[int]
    masses: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """(S, N) mean over all layers and heads; NaN where a position did not exist yet."""
        return self.masses.mean((1, 2))


def lane_stages(trace: dict, lane: dict, stages: Sequence[float] = STAGES) -> Stages:
    """The stages of one lane. stages: shares of its steps. Raises ValueError without frames."""
    if not lane["frames"]:
        raise ValueError("this lane has no step yet: start a run first")
    steps = [round(stage * (len(lane["frames"]) - 1)) for stage in stages]
    arrays = decode_lane(trace, {**lane, "frames": [lane["frames"][step] for step in steps]})
    exists = np.arange(lane["length"]) < arrays.visible[:, None]  # (S, N)
    masses = np.where(exists[:, None, None], arrays.heads * arrays.visible[:, None, None, None], np.nan)
    return Stages(lane["title"], [percent(stage) for stage in stages], steps, masses.astype(np.float32))


def trace_stages(trace: dict) -> list[Stages]:
    """The stages of each lane."""
    return [lane_stages(trace, lane) for lane in trace["lanes"]]
