"""The figure of commits: tokens committed by each forward pass, and the confidence of the surest."""

from __future__ import annotations

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from sinkprune.figures.style import STYLES, TEXT, Style, styled
from sinkprune.traces.commits import LaneCommits, confidence_needed, lane_commits
from sinkprune.traces.numbers import percent


def commit_figure(trace: dict) -> go.Figure:
    """Tokens committed by each forward pass, and below it the surest token's confidence with what is needed to pass; crosses are stalls."""
    figure = make_subplots(2, 1, shared_xaxes=True, vertical_spacing=0.08, row_heights=[0.5, 0.5])
    lanes, needed = lane_commits(trace), confidence_needed(trace["settings"])
    for lane, style in zip(lanes, STYLES, strict=False):
        _add_lane(figure, lane, style)
    if needed is not None:
        figure.add_scatter(
            x=[1, max(len(lane.counts) for lane in lanes)], y=[needed] * 2, mode="lines", name=f"needed: {needed:.2g}",
            line={"color": TEXT, "width": 1.5, "dash": "dot"}, hoverinfo="skip", row=2, col=1,
        )  # fmt: skip
    figure.update_xaxes(title="forward pass", row=2, col=1)
    figure.update_yaxes(title="tokens committed", type="log", tickvals=[1, 2, 4, 8, 16, 32, 64], row=1, col=1)
    figure.update_yaxes(title="confidence", range=[-0.02, 1.05], tickvals=[0, 0.5, 1], row=2, col=1)
    return styled(figure, height=380).update_layout(margin={"t": 60}, legend={"y": 1.02, "yanchor": "bottom"})


def _add_lane(figure: go.Figure, lane: LaneCommits, style: Style) -> None:
    passes = list(range(1, len(lane.counts) + 1))
    line = {"color": style.colour, "width": 2, "dash": style.dash}
    figure.add_scatter(
        x=passes, y=lane.counts, mode="lines", line=line | {"shape": "hvh"}, name=lane.title, legendgroup=lane.title,
        hovertemplate="forward pass %{x}: %{y} tokens", row=1, col=1,
    )  # fmt: skip
    figure.add_scatter(
        x=passes, y=lane.surest, mode="lines", line=line | {"width": 1.5}, name=lane.title, legendgroup=lane.title, showlegend=False,
        text=[percent(sure) for sure in lane.surest], hovertemplate="forward pass %{x}: surest token %{text}", row=2, col=1,
    )  # fmt: skip
    stalls = [(at, sure) for at, sure, stalled in zip(passes, lane.surest, lane.stalled, strict=True) if stalled]
    if stalls:
        figure.add_scatter(
            x=[at for at, _ in stalls], y=[sure for _, sure in stalls], mode="markers", name=f"{lane.title}: stalls",
            legendgroup=lane.title, showlegend=False, hoverinfo="skip",
            marker={"symbol": "x-thin", "size": 6, "line": {"width": 1.5, "color": style.colour}}, row=2, col=1,
        )  # fmt: skip
