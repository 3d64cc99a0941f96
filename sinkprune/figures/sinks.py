"""The paper's figures of moving sinks, drawn with plotly from what `traces.sink_statistics` and `traces.stages` measured.

One run gives lines and bars; several runs of a kind give their mean or median with what shows their spread.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from sinkprune.figures.style import STYLES, TEXT, Style, styled
from sinkprune.traces.sink_statistics import PROGRESS, LaneStatistics, known_values, mean_trajectory, progress
from sinkprune.traces.stages import Stages

MARKERS = (("circle", "top center"), ("diamond-open", "bottom center"))  # both are seen where they fall on one spot
LAYER_FLOOR = 0.01  # tokens squared: a centroid that stays within a tenth of a token
SMALLEST_BAR = 1e-3  # a log axis has no zero: a variance below this has no bar, only its value, which is written


def sink_trajectory(statistics: Sequence[LaneStatistics], over_prompts: Sequence[LaneStatistics] = ()) -> go.Figure:
    """Where the sinks are while the text is written (paper Fig. 5): the centroid as a line, every sink as a dot.

    statistics: the lanes of one run, all in the same layer or in the mean; may be empty where over_prompts is not.
    over_prompts: lanes of a set of prompts, a band of one standard deviation around the mean of their centroids.
    """
    figure = go.Figure()
    styles = _styles([*statistics, *over_prompts])
    for title, style in styles.items():
        others = [lane.centroids for lane in over_prompts if lane.title == title and np.isfinite(lane.centroids).any()]
        if others:
            _add_band(figure, title, style, others, with_mean=not statistics)
    for lane in statistics:
        _add_trajectory(figure, lane, styles[lane.title])
    figure.update_xaxes(title="share of the generation steps (%)", range=[-2, 102])
    figure.update_yaxes(title=f"position, {_layer_names([*statistics, *over_prompts])}", rangemode="tozero")
    return styled(figure, height=340)


def _layer_names(lanes: Sequence[LaneStatistics]) -> str:
    return ", ".join(dict.fromkeys("all layers" if lane.layer is None else f"layer {lane.layer + 1}" for lane in lanes))


def _styles(lanes: Sequence[LaneStatistics]) -> dict[str, Style]:
    """Lane title -> style, in the order of appearance."""
    titles = dict.fromkeys(lane.title for lane in lanes)
    return {title: STYLES[number % len(STYLES)] for number, title in enumerate(titles)}


def _add_trajectory(figure: go.Figure, lane: LaneStatistics, style: Style) -> None:
    done = progress(len(lane.centroids))
    steps, positions = np.nonzero(lane.sinks)
    figure.add_scatter(
        x=done[steps], y=positions, mode="markers", name="sinks", showlegend=False, hoverinfo="skip",
        marker={"size": 5, "color": style.colour, "opacity": 0.5},
    )  # fmt: skip
    figure.add_scatter(
        x=done, y=lane.centroids, mode="lines+markers", name=lane.title, marker={"size": 4}, customdata=np.arange(1, len(done) + 1),
        line={"color": style.colour, "width": 2.5, "dash": style.dash},
        hovertemplate="step %{customdata}: centroid %{y:.1f}",
    )  # fmt: skip


def _add_band(figure: go.Figure, title: str, style: Style, centroids: list[np.ndarray], with_mean: bool) -> None:
    mean, deviation = mean_trajectory(centroids)
    low, high = np.maximum(mean - deviation, 0), mean + deviation
    figure.add_scatter(
        x=np.concatenate([PROGRESS, PROGRESS[::-1]]), y=np.concatenate([high, low[::-1]]), fill="toself", mode="lines",
        line={"width": 0}, fillcolor=style.band, hoverinfo="skip", name=f"{title} ± std, {len(centroids)} prompts",
    )  # fmt: skip
    if with_mean:
        figure.add_scatter(
            x=PROGRESS, y=mean, mode="lines", name=f"{title}, mean", customdata=deviation,
            line={"color": style.colour, "width": 2.5, "dash": style.dash},
            hovertemplate="%{x:.0f} % of the steps: mean centroid %{y:.1f} ± %{customdata:.1f}",
        )  # fmt: skip


def variance_bars(statistics: Sequence[LaneStatistics]) -> go.Figure:
    """Spatial (eq. 6) and temporal (eq. 7) variance per lane title (paper Fig. 4): means over the lanes given on log axes, with the values
    written below. Several lanes of a title are drawn as dots beside their mean.
    """
    panels = (("spatial variance", "spatial_variance"), ("temporal variance", "temporal_variance"))
    figure = make_subplots(1, 2, subplot_titles=[title for title, _ in panels], horizontal_spacing=0.15)
    for column, (_, field) in enumerate(panels, 1):
        most, written = 10 * SMALLEST_BAR, {}
        for title, style in _styles(statistics).items():
            values = known_values([lane for lane in statistics if lane.title == title], field)
            if len(values):
                _add_variance(figure, column, title, style, values)
                most, written[title] = max(most, *values), f"{values.mean():.3g}"
        figure.update_xaxes(tickvals=list(written), ticktext=list(written.values()), tickangle=0, row=1, col=column)
        figure.update_yaxes(type="log", dtick=1, range=np.log10([SMALLEST_BAR / 2, 4 * most]), row=1, col=column)
    figure.update_annotations(font_size=13)
    return styled(figure, height=300).update_layout(bargap=0.35, legend_y=1.12, margin_t=60)


def _add_variance(figure: go.Figure, column: int, title: str, style: Style, values: np.ndarray) -> None:
    mean = float(values.mean())
    figure.add_bar(
        x=[title], y=[mean if mean >= SMALLEST_BAR else None], name=title, showlegend=column == 1,
        marker={"color": style.colour, "pattern": {"shape": style.hatch}}, row=1, col=column,
        hovertemplate=f"%{{x}}: {mean:.4g}, mean of {len(values)} run(s)<extra></extra>",
    )  # fmt: skip
    if len(values) > 1:
        figure.add_scatter(
            x=[title] * len(values), y=np.maximum(values, SMALLEST_BAR), mode="markers", row=1, col=column, name="each prompt",
            showlegend=False, marker={"size": 7, "symbol": "line-ew-open", "color": TEXT, "line": {"width": 2}},
            customdata=values, hovertemplate="one prompt: %{customdata:.4g}<extra></extra>",
        )  # fmt: skip


def variance_by_layer(layers: Sequence[LaneStatistics]) -> go.Figure:
    """Temporal variance (eq. 7) of each layer of each lane, on a log axis: what the mean over layers can hide.

    layers: the lanes of one run or of several, in single layers; several are drawn as their median with a bar from the first to the third
    quartile. The axis covers LAYER_FLOOR and more: a smaller value is drawn on the floor with its true value written, so "0" is exactly
    zero. Hovering tells spatial variance and moves of the leading sink.
    """
    figure = go.Figure()
    for number, (title, style) in enumerate(_styles(layers).items()):
        _add_layers(figure, style, MARKERS[number], [lane for lane in layers if lane.title == title])
    top = max([10 * LAYER_FLOOR, *(lane.temporal_variance for lane in layers if np.isfinite(lane.temporal_variance))])
    figure.update_xaxes(title="layer", tickvals=sorted({lane.layer + 1 for lane in layers}))
    figure.update_yaxes(
        title="temporal variance (tokens²)", type="log", dtick=1, range=np.log10([LAYER_FLOOR / 3, 4 * top])
    )
    return styled(figure, height=300)


def _add_layers(figure: go.Figure, style: Style, marker: tuple[str, str], lanes: list[LaneStatistics]) -> None:
    symbol, beside = marker
    indices = sorted({lane.layer for lane in lanes})
    by_layer = [[lane for lane in lanes if lane.layer == layer] for layer in indices]
    low, median, high = np.transpose([_quartiles(some, "temporal_variance") for some in by_layer])
    drawn = np.maximum(median, LAYER_FLOOR)
    others = [(_quartiles(some, "moves")[1], _quartiles(some, "spatial_variance")[1]) for some in by_layer]
    figure.add_scatter(
        x=[layer + 1 for layer in indices], y=drawn, mode="lines+markers+text", name=_runs_title(lanes[0].title, len(by_layer[0])),
        line={"color": style.colour, "width": 1, "dash": style.dash},
        error_y={
            "array": np.maximum(high, LAYER_FLOOR) - drawn, "arrayminus": drawn - np.maximum(low, LAYER_FLOOR),
            "color": style.colour, "thickness": 1, "width": 3, "visible": len(by_layer[0]) > 1,
        },
        marker={"size": 9, "symbol": symbol, "color": style.colour, "line": {"width": 2, "color": style.colour}},
        text=[_floor_text(value) for value in median], textposition=beside, textfont={"size": 11},
        customdata=[[_value_text(value), *rest] for value, rest in zip(median, others, strict=True)],
        hovertemplate="layer %{x}: temporal variance %{customdata[0]}, leading sink moved %{customdata[1]:.3g} times, "
        "spatial variance %{customdata[2]:.3g}",
    )  # fmt: skip


def _quartiles(lanes: Sequence[LaneStatistics], field: str) -> np.ndarray:
    """(first quartile, median, third quartile) over the lanes that have a value, NaN where none has."""
    values = known_values(lanes, field)
    return np.quantile(values, (0.25, 0.5, 0.75)) if len(values) else np.full(3, np.nan)


def _runs_title(title: str, runs: int) -> str:
    return title if runs == 1 else f"{title}, median of {runs} prompts"


def _floor_text(value: float) -> str:
    return _value_text(value) if value < LAYER_FLOOR else ""


def _value_text(value: float) -> str:
    return "no sink" if np.isnan(value) else f"{value:.2g}"


def stage_heatmaps(lanes: Sequence[Stages]) -> go.Figure:
    """Attention received by each position (y) in every layer and head (x) at each stage, one row of maps a lane (paper Fig. 2).

    Colour is the mass in units of the mean (1 = uniform), one scale for all maps, cut at the 99th percentile.
    """
    masses = [lane.masses.reshape(len(lane.steps), -1, lane.masses.shape[-1]) for lane in lanes]  # (S, L*H, N)
    top = float(np.nanquantile(np.concatenate([mass.ravel() for mass in masses]), 0.99))
    names = [name for lane in lanes for name in lane.names]
    figure = make_subplots(
        len(lanes), len(lanes[0].steps), shared_yaxes=True, shared_xaxes=True, subplot_titles=names,
        horizontal_spacing=0.03, vertical_spacing=0.13,
    )  # fmt: skip
    for row, (lane, mass) in enumerate(zip(lanes, masses, strict=True), 1):
        for column, (step, values) in enumerate(zip(lane.steps, mass, strict=True), 1):
            figure.add_heatmap(
                z=values.T.round(2), zmin=0, zmax=top, colorscale="Viridis", row=row, col=column,
                showscale=(row, column) == (1, 1), colorbar={"title": {"text": "x mean"}, "thickness": 8},
                hovertemplate=f"{lane.title}, step {step + 1}: layer·head %{{x}}, position %{{y}}: %{{z:.1f}} x mean<extra></extra>",
            )  # fmt: skip
    layers, heads = lanes[0].masses.shape[1:3]
    ticks = np.arange(0, layers, max(1, -(-layers // 4)))
    figure.update_xaxes(tickvals=ticks * heads, ticktext=[str(layer + 1) for layer in ticks])
    figure.update_xaxes(title="layer", row=len(lanes)).update_yaxes(autorange="reversed")
    for row, lane in enumerate(lanes, 1):
        figure.update_yaxes(title=f"{lane.title}<br>position", row=row, col=1)
    figure.update_annotations(font_size=12)
    return styled(figure, height=60 + 190 * len(lanes)).update_layout(margin_l=65)
