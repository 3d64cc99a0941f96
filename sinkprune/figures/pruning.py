"""Figures of pruning, drawn with plotly in the look of `figures.sinks`: achieved sparsity, what the sink weight gains, what it changed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from sinkprune.figures.style import STYLES, TEXT, signed_colours, styled
from sinkprune.recorded.pruned_sinks import PrunedRivers
from sinkprune.traces.numbers import percent

SYMBOLS = ("circle", "diamond")
DODGE = 0.12  # of the distance between two sparsities
SMALLEST_SCALE = 1e-3  # a colour scale of differences that are all zero still needs a width


def sparsity_per_layer(achieved: Sequence[float], asked: float) -> go.Figure:
    """Achieved sparsity of each layer as bars with the asked one as a line, in percent."""
    figure = go.Figure()
    figure.add_bar(
        x=[str(layer + 1) for layer in range(len(achieved))], y=[100 * share for share in achieved], name="achieved",
        marker={"color": STYLES[0].colour}, hovertemplate="layer %{x}: %{y:.2f} %<extra></extra>",
    )  # fmt: skip
    figure.add_hline(
        y=100 * asked, line={"color": STYLES[1].colour, "dash": "dash"}, annotation_text=f"asked {percent(asked)}"
    )
    figure.update_xaxes(title="layer", type="category").update_yaxes(title="sparsity (%)", range=[0, 105])
    return styled(figure, height=220)


def gain_figure(table: dict, kind: str) -> go.Figure:
    """Bits per token that a sink-aware method saves against its baseline, by sparsity (paper Fig. 6): mean and 95 % interval.

    table: a summary (recorded.table_summary); kind: "official" or "ablation". Above zero it wins, below it loses;
    open markers are ties, whose interval holds zero. Structured methods stand in a separate table.
    """
    gains = _unstructured_gains(table, kind)
    sparsities = sorted({gain["sparsity"] for gain in gains})
    figure = go.Figure()
    variants = list(dict.fromkeys(gain["variant"] for gain in gains))
    for number, variant in enumerate(variants):
        some = [gain for gain in gains if gain["variant"] == variant]
        shift = DODGE * (2 * number - len(variants) + 1)
        _add_gains(figure, number, some, [sparsities.index(gain["sparsity"]) + shift for gain in some])
    figure.add_hline(y=0, line={"color": TEXT, "width": 1.5})
    ticks = [percent(sparsity) for sparsity in sparsities]
    figure.update_xaxes(
        title="sparsity", tickvals=list(range(len(ticks))), ticktext=ticks, range=[-0.5, len(ticks) - 0.5]
    )
    figure.update_yaxes(title="worse ← bits per token saved → better", range=gain_range(gains))
    return styled(figure, height=320)


def gain_caption(table: dict, kind: str) -> str:
    """What the figure leaves out, in words; every number stands in the table of all numbers."""
    gains = _unstructured_gains(table, kind)
    low, high = gain_range(gains)
    out = sum(not low <= gain["gain"][0] <= high for gain in gains)
    cut = sum(not (low <= gain["gain"][1] and gain["gain"][2] <= high) for gain in gains)
    said = "Open marks are ties: their 95 % interval holds 0."
    if not cut:
        return said
    return (
        f"{said} The axis fits the certain effects, so that they can be seen: of {len(gains)} intervals {cut} leave it and are cut, "
        f"and {out} means lie outside."
    )


def gain_range(gains: list[dict]) -> tuple[float, float]:
    """The axis, alike on both sides of 0: half as long again as the certain effects (wins and losses) reach; all means without any."""
    certain = [abs(end) for gain in gains if gain["verdict"] != "tie" for end in gain["gain"][1:]]
    top = 1.5 * max(certain or [abs(gain["gain"][0]) for gain in gains], default=0) or SMALLEST_SCALE
    return -top, top


def _unstructured_gains(table: dict, kind: str) -> list[dict]:
    structured = {row["variant"] for row in table["rows"] if "speed_up" in row}
    return [gain for gain in table["gains"] if gain["kind"] == kind and gain["variant"] not in structured]


def difference_rivers(rivers: PrunedRivers, way: str) -> go.Figure:
    """The dense river and, for each method, dense less pruned: step (x) by position (y), in units of the mean, one signed scale for all.

    way: "read" or "own" (recorded.pruned_sinks). Red: the dense model gives more attention there; blue: the pruned copy does. The
    scale ends at the power of two above the 99.5th percentile of all differences.
    """
    differences = {method: rivers.difference(method, way) for method in rivers.copies}
    top = float(np.quantile(np.abs(list(differences.values())), 0.995))
    panels = -(-(1 + len(differences)) // 2)
    figure = make_subplots(
        panels, 2, subplot_titles=["dense", *differences], shared_xaxes=True, shared_yaxes=True,
        horizontal_spacing=0.04, vertical_spacing=0.2 / panels,
    )  # fmt: skip
    dense = rivers.dense * rivers.dense.shape[1]
    _add_river(figure, 0, dense, "%{z:.2f} x mean", colorscale="Viridis", zmin=0, zmax=float(np.quantile(dense, 0.995)))
    signed = signed_colours(2 ** math.ceil(math.log2(max(top, 1))))  # the player's scale
    for number, (method, values) in enumerate(differences.items(), 1):
        _add_river(figure, number, values, f"{method}: %{{z:+.2f}} x mean", **signed)
    figure.data[1].update(showscale=True, colorbar={"title": {"text": "x mean"}, "thickness": 8})
    figure.update_yaxes(autorange="reversed").update_yaxes(title="position", col=1)
    figure.update_xaxes(title="step", row=panels).update_annotations(font_size=12)
    return styled(figure, height=70 + 150 * panels)


def _add_river(figure: go.Figure, number: int, river: np.ndarray, value: str, **colours: object) -> None:
    row, column = number // 2 + 1, number % 2 + 1
    figure.add_heatmap(
        z=river.T.astype(np.float32).round(3), x=list(range(1, len(river) + 1)), row=row, col=column, showscale=False, **colours,
        hovertemplate=f"step %{{x}}, position %{{y}}, {value}<extra></extra>",
    )  # fmt: skip


def _add_gains(figure: go.Figure, number: int, gains: list[dict], x: list[float]) -> None:
    style, symbol = STYLES[number % len(STYLES)], SYMBOLS[number % len(SYMBOLS)]
    means, lows, highs = (np.array(column) for column in zip(*(gain["gain"] for gain in gains), strict=True))
    figure.add_scatter(
        x=x, y=means, mode="lines+markers", name=gains[0]["variant"],
        line={"color": style.colour, "width": 1, "dash": "dot"},
        error_y={"array": highs - means, "arrayminus": means - lows, "color": style.colour, "thickness": 1.5, "width": 5},
        marker={
            "size": 10, "color": style.colour, "line": {"width": 2, "color": style.colour},
            "symbol": [symbol + ("-open" if gain["verdict"] == "tie" else "") for gain in gains],
        },
        customdata=[[percent(gain["sparsity"]), gain["baseline"], gain["verdict"], *gain["gain"][1:]] for gain in gains],
        hovertemplate="%{customdata[0]}, against %{customdata[1]}: %{y:+.3f} bits [%{customdata[3]:+.3f}, %{customdata[4]:+.3f}], "
        "a %{customdata[2]}",
    )  # fmt: skip


def change_heatmap(values: np.ndarray, columns: Sequence[str], across: str, signed: bool = False) -> go.Figure:
    """One value a layer (y) and column (x), a share shown in percent (paper Fig. 7; signed: Fig. 8, red where it is above zero).

    values: (L, len(columns)); across: what the columns are.
    """
    percent = 100 * np.asarray(values, dtype=np.float64)
    top = max(float(np.abs(percent).max()), 100 * SMALLEST_SCALE)
    colours = signed_colours(top) if signed else {"colorscale": "Viridis", "zmin": 0, "zmax": top}
    figure = go.Figure()
    figure.add_heatmap(
        z=percent.round(3), x=list(columns), y=list(range(1, len(percent) + 1)), **colours, xgap=1, ygap=1,
        colorbar={"title": {"text": "points" if signed else "%"}, "thickness": 10},
        hovertemplate=f"layer %{{y}}, {across} %{{x}}: %{{z:{'+' if signed else ''}.2f}} {'points' if signed else '%'}<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(title=across, type="category").update_yaxes(title="layer", autorange="reversed", dtick=1)
    return styled(figure, height=300)
