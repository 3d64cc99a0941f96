"""What changing attention costs (recorded.what_if_summary), drawn: policies of the sparse cache above, covered columns below."""

from __future__ import annotations

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from sinkprune.figures.style import STYLES, TEXT, styled
from sinkprune.recorded.what_if_settings import COUNTS, RETENTIONS
from sinkprune.traces.numbers import bits

POLICIES = (
    ("attention", "attention", STYLES[0].colour, "circle", "solid"),
    ("official", "Sparse-dLLM's score", "#009e73", "square", "dash"),
    ("no-sinks", "sinks dropped first", STYLES[1].colour, "diamond", "dashdot"),
    ("random", "random keys (control)", TEXT, "x", "dot"),
)
COVERS = (
    ("dlm", "leading", "diffusion, sinks", STYLES[0].colour, "circle", "solid"),
    ("ar", "leading", "autoregressive, sinks", STYLES[1].colour, "diamond", "solid"),
    ("dlm", "random", "diffusion, random (control)", STYLES[0].colour, "circle-open", "dot"),
    ("ar", "random", "autoregressive, random (control)", STYLES[1].colour, "diamond-open", "dot"),
)
DODGE = 0.05


def what_if_figure(summary: dict) -> go.Figure:
    """Bits per token that the dense answer loses, mean and 95 % interval: by retention, and by columns covered for each head."""
    figure = make_subplots(
        2, 1, vertical_spacing=0.2, subplot_titles=["Keys that a sparse cache keeps", "Columns covered for each head"]
    )
    for place, (which, name, *look) in enumerate(POLICIES):
        rows = [row for row in summary["rows"] if row["kind"] == "cache" and row["which"] == which]
        costs = {row["retention"]: row["nats"] for row in rows}
        _add(figure, 1, place, name, [costs[retention] for retention in RETENTIONS], look)
    for place, (lane, which, name, *look) in enumerate(COVERS):
        rows = [row for row in summary["rows"] if row["kind"] == "cover" and row["scope"] == "per head"]
        costs = {row["count"]: row["nats"] for row in rows if (row["lane"], row["which"]) == (lane, which)}
        _add(figure, 2, place, name, [costs[count] for count in COUNTS], look)
    ticks = (
        [f"{100 * share:g} %" for share in RETENTIONS],
        [str(count) for count in COUNTS],
    )
    for row, words in enumerate(ticks, start=1):
        figure.update_xaxes(tickvals=list(range(len(words))), ticktext=words, range=[-0.4, len(words) - 0.6], row=row)
    figure.add_hline(y=0, line={"color": TEXT, "width": 1.5})
    figure.update_yaxes(title="bits lost → worse")
    return styled(figure, height=680).update_layout(legend={"y": -0.08, "yanchor": "top"}, margin={"b": 20})


def _add(figure: go.Figure, row: int, place: int, name: str, costs: list[list[float]], look: list[str]) -> None:
    """costs: [mean, low, high] in nats."""
    costs = [[bits(nats) for nats in interval] for interval in costs]
    colour, symbol, dash = look
    figure.add_scatter(
        x=[x + DODGE * (place - 1.5) for x in range(len(costs))], y=[mean for mean, _, _ in costs], name=name,
        error_y={
            "array": [high - mean for mean, _, high in costs], "arrayminus": [mean - low for mean, low, _ in costs],
            "color": colour, "thickness": 1.5, "width": 4,
        },
        mode="lines+markers", line={"color": colour, "dash": dash}, marker={"color": colour, "symbol": symbol, "size": 9},
        customdata=[[low, high] for _, low, high in costs],
        hovertemplate="%{y:+.2f} bits (%{customdata[0]:+.2f} to %{customdata[1]:+.2f})", row=row, col=1,
    )  # fmt: skip
