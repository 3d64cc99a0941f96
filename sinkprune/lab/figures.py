"""The paper's figures of moving sinks, drawn with plotly from traces; each function returns a go.Figure of a few kilobytes.

Colours: blue for the first lane, vermilion for the second (close to Okabe-Ito, at least 3:1 against white and against a dark card), told
apart by dash and hatch as well. Backgrounds are transparent and text is mid grey, so one figure serves light and dark pages. Only
attributes of plotly.js 3 are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from sinkprune.lab.statistics import LaneStatistics, layer_statistics
from sinkprune.lab.trace import decode_lane


@dataclass(frozen=True)
class Style:
    """How the first and the second kind of lane are told apart."""

    colour: str
    band: str
    dash: str
    hatch: str


STYLES = (
    Style("#2b83c6", "rgba(43,131,198,0.25)", "solid", ""),
    Style("#d55e00", "rgba(213,94,0,0.25)", "dash", "/"),
)
TEXT = "#7f8794"
GRID = "rgba(127,135,148,0.25)"
MARKERS = (("circle", "top center"), ("diamond-open", "bottom center"))  # both are seen where they fall on one spot
LAYER_FLOOR = 0.01  # tokens squared: a centroid that stays within a tenth of a token
STAGES = (0.25, 0.5, 0.75)
SMALLEST_BAR = 1e-3  # a log axis has no zero: variances below this are drawn here, with their true value written


def sink_trajectory(statistics: Sequence[LaneStatistics], over_prompts: Sequence[LaneStatistics] = ()) -> go.Figure:
    """Where the sinks are while the text is written (paper Fig. 5): the centroid as a line, every sink as a dot; titled with the layer.

    statistics: the lanes of one run, all in the same layer or in the mean.
    over_prompts: lanes of other prompts, a band from the first to the third quartile of their centroids.
    """
    figure = go.Figure()
    styles = _styles([*statistics, *over_prompts])
    for title, style in styles.items():
        others = [lane.centroids for lane in over_prompts if lane.title == title and np.isfinite(lane.centroids).any()]
        if others:
            _add_band(figure, title, style, others)
    for lane in statistics:
        _add_trajectory(figure, lane, styles[lane.title])
    figure.update_xaxes(title="share of the generation steps (%)", range=[-2, 102])
    figure.update_yaxes(title="token position")
    titles = dict.fromkeys(_layer_title(lane.layer) for lane in statistics)
    figure.update_layout(title={"text": ", ".join(titles), "x": 1, "xref": "paper", "y": 0.98, "font": {"size": 13}})
    return styled(figure, height=300)


def _layer_title(layer: int | None) -> str:
    return "mean over all layers" if layer is None else f"layer {layer + 1}"


def _styles(lanes: Sequence[LaneStatistics]) -> dict[str, Style]:
    """Lane title -> style, in the order of appearance."""
    titles = dict.fromkeys(lane.title for lane in lanes)
    return {title: STYLES[number % len(STYLES)] for number, title in enumerate(titles)}


def _add_trajectory(figure: go.Figure, lane: LaneStatistics, style: Style) -> None:
    progress = _progress(len(lane.centroids))
    steps, positions = np.nonzero(lane.sinks)
    figure.add_scatter(
        x=progress[steps], y=positions, mode="markers", name="sinks", showlegend=False, hoverinfo="skip",
        marker={"size": 5, "color": style.colour, "opacity": 0.5},
    )  # fmt: skip
    figure.add_scatter(
        x=progress, y=lane.centroids, mode="lines+markers", name=lane.title, marker={"size": 4}, customdata=np.arange(len(progress)),
        line={"color": style.colour, "width": 2.5, "dash": style.dash},
        hovertemplate="step %{customdata}: centroid %{y:.1f}",
    )  # fmt: skip


def _add_band(figure: go.Figure, title: str, style: Style, centroids: list[np.ndarray]) -> None:
    grid = np.linspace(0, 100, 51)
    known = [(_progress(len(run))[np.isfinite(run)], run[np.isfinite(run)]) for run in centroids]
    runs = np.stack([np.interp(grid, progress, run) for progress, run in known])
    low, high = np.quantile(runs, (0.25, 0.75), axis=0)
    figure.add_scatter(
        x=np.concatenate([grid, grid[::-1]]), y=np.concatenate([high, low[::-1]]), fill="toself", mode="lines",
        line={"width": 0}, fillcolor=style.band, hoverinfo="skip", name=f"{title}, {len(runs)} prompts",
    )  # fmt: skip


def _progress(steps: int) -> np.ndarray:
    return np.linspace(0, 100, steps) if steps > 1 else np.zeros(steps)


def variance_bars(statistics: Sequence[LaneStatistics]) -> go.Figure:
    """Spatial (eq. 6) and temporal (eq. 7) variance per lane title (paper Fig. 4): means over the lanes given, log axes, values written."""
    panels = (("spatial variance", "spatial_variance"), ("temporal variance", "temporal_variance"))
    figure = make_subplots(1, 2, subplot_titles=[title for title, _ in panels])
    for column, (_, field) in enumerate(panels, 1):
        means = {}
        for title, style in _styles(statistics).items():
            values = [getattr(lane, field) for lane in statistics if lane.title == title]
            known = [value for value in values if np.isfinite(value)]
            if known:
                means[title] = float(np.mean(known))
                _add_variance(figure, column, title, style, means[title], len(known))
        top = max([10 * SMALLEST_BAR, *means.values()])
        figure.update_yaxes(type="log", dtick=1, range=np.log10([SMALLEST_BAR / 2, 4 * top]), row=1, col=column)
    return styled(figure, height=260).update_layout(showlegend=False, bargap=0.35)


def _add_variance(figure: go.Figure, column: int, title: str, style: Style, mean: float, runs: int) -> None:
    figure.add_bar(
        x=[title], y=[max(mean, SMALLEST_BAR)], text=[f"{mean:.3g}"], textposition="outside", name=title,
        marker={"color": style.colour, "pattern": {"shape": style.hatch}}, row=1, col=column,
        hovertemplate=f"%{{x}}: {mean:.4g}, mean of {runs} run(s)<extra></extra>",
    )  # fmt: skip


def variance_by_layer(trace: dict) -> go.Figure:
    """Temporal variance (eq. 7) of each layer of each lane, on a log axis: what the mean over layers can hide.

    The axis covers LAYER_FLOOR and more: a smaller value is drawn on the floor with its true value written, so "0" is exactly zero.
    Hovering tells spatial variance and moves of the leading sink. Raises ValueError for a lane without frames.
    """
    layers = layer_statistics(trace)
    figure = go.Figure()
    for number, (title, style) in enumerate(_styles(layers).items()):
        _add_layers(figure, style, MARKERS[number], [lane for lane in layers if lane.title == title])
    top = max([10 * LAYER_FLOOR, *(lane.temporal_variance for lane in layers if np.isfinite(lane.temporal_variance))])
    figure.update_xaxes(title="layer", tickvals=list(range(1, trace["model"]["layers"] + 1)))
    figure.update_yaxes(
        title="temporal variance (tokens²)", type="log", dtick=1, range=np.log10([LAYER_FLOOR / 3, 4 * top])
    )
    return styled(figure, height=300)


def _add_layers(figure: go.Figure, style: Style, marker: tuple[str, str], lanes: list[LaneStatistics]) -> None:
    symbol, beside = marker
    values = np.array([lane.temporal_variance for lane in lanes])
    figure.add_scatter(
        x=[lane.layer + 1 for lane in lanes], y=np.maximum(values, LAYER_FLOOR), mode="lines+markers+text", name=lanes[0].title,
        line={"color": style.colour, "width": 1, "dash": style.dash},
        marker={"size": 9, "symbol": symbol, "color": style.colour, "line": {"width": 2, "color": style.colour}},
        text=[_floor_text(value) for value in values], textposition=beside, textfont={"size": 11},
        customdata=[[_value_text(lane.temporal_variance), lane.moves, lane.spatial_variance] for lane in lanes],
        hovertemplate="layer %{x}: temporal variance %{customdata[0]}, leading sink moved %{customdata[1]} times, "
        "spatial variance %{customdata[2]:.3g}",
    )  # fmt: skip


def _floor_text(value: float) -> str:
    return _value_text(value) if value < LAYER_FLOOR else ""


def _value_text(value: float) -> str:
    return "no sink" if np.isnan(value) else f"{value:.2g}"


def stage_heatmaps(trace: dict, lane: dict, stages: Sequence[float] = STAGES) -> go.Figure:
    """Attention received by each position in every layer and head at 25, 50 and 75 % of the steps (paper Fig. 2).

    Colour is the share in units of the mean (1 = uniform), one scale for all stages, cut at the 99.5th percentile.
    Raises ValueError without frames.
    """
    if not lane["frames"]:
        raise ValueError("this lane has no step yet: start a run first")
    arrays = decode_lane(trace, lane)
    steps = [round(stage * (len(arrays.share) - 1)) for stage in stages]
    maps = [arrays.heads[step].reshape(-1, lane["length"]).T * arrays.visible[step] for step in steps]  # (N, L*H)
    top = float(np.quantile(np.stack(maps), 0.995))
    names = [f"{stage:.0%}, step {step}" for stage, step in zip(stages, steps, strict=True)]
    figure = make_subplots(1, len(steps), shared_yaxes=True, subplot_titles=names, horizontal_spacing=0.03)
    for column, values in enumerate(maps, 1):
        figure.add_heatmap(
            z=values.astype(np.float32).round(2), zmin=0, zmax=top, colorscale="Viridis", showscale=column == len(maps),
            colorbar={"title": {"text": "x mean"}, "thickness": 10}, row=1, col=column,
            hovertemplate="layer·head %{x}, position %{y}: %{z:.1f} x mean<extra></extra>",
        )  # fmt: skip
    heads = trace["model"]["heads"]
    ticks = np.arange(0, trace["model"]["layers"], max(1, trace["model"]["layers"] // 4))
    figure.update_xaxes(tickvals=ticks * heads, ticktext=[str(layer + 1) for layer in ticks], title="layer")
    figure.update_yaxes(autorange="reversed").update_yaxes(title="token position", col=1)
    return styled(figure, height=300)


def styled(figure: go.Figure, height: int) -> go.Figure:
    """The figure with the look that all share; changed in place and returned."""
    axis = {"gridcolor": GRID, "zerolinecolor": GRID, "linecolor": GRID}
    figure.update_xaxes(**axis).update_yaxes(**axis)
    return figure.update_layout(
        template=go.layout.Template(), height=height, margin={"l": 50, "r": 15, "t": 30, "b": 45},
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", font={"color": TEXT, "size": 12},
        legend={"orientation": "h", "y": 1.12},
    )  # fmt: skip
