"""The numbers behind each figure as rows, and rows as CSV or JSON text.

Layers, heads and steps count from 1 and positions from 0.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence

import numpy as np

from sinkprune.models.writing import json_text
from sinkprune.recorded.pruned_sinks import PrunedRivers
from sinkprune.traces.sink_statistics import LaneStatistics, progress
from sinkprune.traces.stages import Stages
from sinkprune.traces.value_norms import ValuePoints

Row = dict[str, object]
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a text that begins like this would be a formula in a spreadsheet


def trajectory_rows(lanes: Sequence[LaneStatistics]) -> list[Row]:
    """One row a lane and step: the centroid of the sinks and, where they were kept, the leading position and all sinks."""
    return [row for lane in lanes for row in _steps(lane)]


def _steps(lane: LaneStatistics) -> list[Row]:
    rows = [
        {**_which(lane), "step": step, "percent_done": round(float(done), 2), "centroid": _rounded(centroid)}
        for step, (done, centroid) in enumerate(zip(progress(len(lane.centroids)), lane.centroids, strict=True), 1)
    ]
    if len(lane.leaders):
        for row, leader, sinks in zip(rows, lane.leaders, lane.sinks, strict=True):
            row |= {"leader": int(leader), "sinks": " ".join(map(str, np.nonzero(sinks)[0]))}
    return rows


def variance_rows(lanes: Sequence[LaneStatistics]) -> list[Row]:
    """One row a lane and layer: both variances and the moves of the leading sink."""
    return [
        {
            **_which(lane),
            "steps": len(lane.centroids),
            "spatial_variance": _rounded(lane.spatial_variance),
            "temporal_variance": _rounded(lane.temporal_variance),
            "leader_moves": lane.moves,
        }
        for lane in lanes
    ]


def stage_rows(lanes: Sequence[Stages]) -> list[Row]:
    """One row a lane, stage and position, one column a layer and head: attention in units of the mean, None where no position was yet."""
    layers, heads = lanes[0].masses.shape[1:3]
    columns = [f"layer{layer}_head{head}" for layer in range(1, layers + 1) for head in range(1, heads + 1)]
    return [
        {"lane": lane.title, "stage": name, "step": step + 1, "position": position}
        | dict(zip(columns, map(_rounded, values), strict=True))
        for lane in lanes
        for name, step, masses in zip(lane.names, lane.steps, lane.masses, strict=True)
        for position, values in enumerate(masses.reshape(len(columns), -1).T.tolist())
    ]


def value_rows(lanes: Sequence[ValuePoints]) -> list[Row]:
    """One row a lane and position: attention received in units of the mean, length of the value vector in units of the median."""
    return [
        {
            "lane": lane.title, "layer": "mean" if lane.layer is None else lane.layer + 1, "position": int(position),
            "attention": _rounded(mass), "value_norm": _rounded(value),
        }
        for lane in lanes
        for position, mass, value in zip(lane.positions, lane.mass, lane.values, strict=True)
    ]  # fmt: skip


def river_rows(rivers: PrunedRivers, way: str) -> list[Row]:
    """One row a model and step, one column a position: the dense river and, for each method, dense less pruned, in units of the mean."""
    maps = {"dense": rivers.dense * rivers.dense.shape[1]}
    maps |= {f"dense less {method}": rivers.difference(method, way) for method in rivers.copies}
    return [
        {"river": name, "step": step} | {f"position{position}": round(value, 4) for position, value in enumerate(row)}
        for name, river in maps.items()
        for step, row in enumerate(river.tolist(), 1)
    ]


def as_csv(rows: Sequence[Row]) -> str:
    """CSV with a header; None is an empty cell. Texts that a spreadsheet would run as a formula get an apostrophe in front."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return text.getvalue()


def as_json(rows: Sequence[Row], about: dict) -> str:
    """{**about, "rows": rows} as JSON text."""
    return json_text({**about, "rows": list(rows)}, ensure_ascii=False, separators=(",", ":"))


def _which(lane: LaneStatistics) -> Row:
    return {"prompt": lane.prompt, "lane": lane.title, "layer": "mean" if lane.layer is None else lane.layer + 1}


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 4)


def _cell(value: object) -> object:
    return "'" + value if isinstance(value, str) and value.startswith(FORMULA) else value
