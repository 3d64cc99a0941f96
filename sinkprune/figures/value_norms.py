"""Attention received against value norm, drawn from `traces.value_norms`."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from sinkprune.figures.style import STYLES, TEXT, styled
from sinkprune.traces.value_norms import ValuePoints

SYMBOLS = ("circle", "diamond-open", "x")
FLOOR = 1e-2  # a log axis has no zero: less attention than this is drawn here


def value_norm_scatter(lanes: Sequence[ValuePoints]) -> go.Figure:
    """A dot a position: attention received (x, log axis) against the length of the value vector (y), each in units of its middle."""
    figure = go.Figure()
    colours = (*(style.colour for style in STYLES), TEXT)
    for lane, colour, symbol in zip(lanes, colours, SYMBOLS, strict=False):
        figure.add_scatter(
            x=[max(FLOOR, mass) for mass in lane.mass.tolist()], y=lane.values.tolist(), mode="markers", name=lane.title,
            marker={"color": colour, "symbol": symbol, "size": 7, "opacity": 0.75}, customdata=lane.positions.tolist(),
            hovertemplate="position %{customdata}: %{x:.2f} x mean attention, value vector %{y:.2f} x median",
        )  # fmt: skip
    figure.add_hline(y=1, line={"color": TEXT, "width": 1, "dash": "dot"})
    figure.update_xaxes(title="attention received (x mean)", type="log")
    figure.update_yaxes(title="length of the value vector (x median)", rangemode="tozero")
    return styled(figure, height=340)
