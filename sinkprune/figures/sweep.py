"""The figure and the table of a sweep over sparsities: live points beside the recorded curves (recorded.table_summary)."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from sinkprune.figures.style import TEXT, styled
from sinkprune.lab.sweep import SweepPoint
from sinkprune.pruning.methods import BY_NAME
from sinkprune.traces.numbers import percent, signed

MOST = 0.9  # the largest sparsity that is drawn
SHARES = [0, 0.2, 0.4, 0.6, 0.8]
TICKS = [0.5, 1, 2, 5, 10, 20, 50, 100]  # in full: Plotly's own labels write both 2 and 20 as "2"


def sweep_figure(points: Sequence[SweepPoint], table: dict | None = None) -> go.Figure:
    """Bits per token (log axis) by sparsity, a curve a method: live solid with standard errors, recorded dotted.

    points: with the dense model's, which is a line across. table: a summary, of which the methods among `points` are drawn.
    """
    figure = go.Figure()
    measured = [point for point in points if point.method != "dense"]
    methods = list(dict.fromkeys(point.method for point in measured))
    for method in methods:
        _add_recorded(figure, method, table)
    for method in methods:
        _add_live(figure, method, sorted((p for p in measured if p.method == method), key=lambda p: p.sparsity))
    dense = next((point for point in points if point.method == "dense"), None)
    if dense:
        figure.add_scatter(
            x=[0, MOST], y=[dense.bits] * 2, name="dense model, live", mode="lines", line={"color": TEXT, "width": 1.5},
            hovertemplate="dense: %{y:.3f} bits",
        )  # fmt: skip
    figure.update_xaxes(
        title="sparsity", tickvals=SHARES, ticktext=[percent(share) for share in SHARES], range=[-0.02, MOST + 0.02]
    )
    figure.update_yaxes(title="bits per token → worse", type="log", tickvals=TICKS)
    return styled(figure, height=420).update_layout(legend={"y": -0.2, "yanchor": "top"}, margin={"b": 40})


def sweep_table(points: Sequence[SweepPoint]) -> str:
    """The same numbers as Markdown: methods x sparsities, bits per token and the difference to the dense model ± its standard error."""
    sparsities = sorted({point.sparsity for point in points if point.method != "dense"})
    cells = {(point.method, point.sparsity): point for point in points}
    dense = next((point for point in points if point.method == "dense"), None)
    head = "| bits per token | " + " | ".join(percent(sparsity) for sparsity in sparsities) + " |"
    lines = [head, "|:--" + "|--:" * len(sparsities) + "|"]
    for method in dict.fromkeys(point.method for point in points if point.method != "dense"):
        row = (_cell(cells.get((method, sparsity))) for sparsity in sparsities)
        lines.append(f"| {method} | {' | '.join(row)} |")
    said = f"The dense model needs {dense.bits:.3f} bits per token." if dense else ""
    return f"{said}\n\n" + "\n".join(lines) if sparsities else said


def _cell(point: SweepPoint | None) -> str:
    return "" if point is None else f"{point.bits:.3f} ({signed(point.above_dense, 3)} ± {point.error:.3f})"


def _add_live(figure: go.Figure, method: str, points: list[SweepPoint]) -> None:
    colour, symbol = BY_NAME[method].colour, BY_NAME[method].symbol
    figure.add_scatter(
        x=[point.sparsity for point in points], y=[point.bits for point in points], name=f"{method}, live",
        mode="lines+markers", line={"color": colour, "width": 2}, marker={"color": colour, "symbol": symbol, "size": 10},
        error_y={"array": [point.error for point in points], "color": colour, "thickness": 1.5, "width": 4},
        customdata=[[percent(p.sparsity), signed(p.above_dense, 3), f"{p.error:.3f}"] for p in points],
        hovertemplate="%{customdata[0]}: %{y:.3f} bits, %{customdata[1]} ± %{customdata[2]} above dense",
    )  # fmt: skip


def _add_recorded(figure: go.Figure, method: str, table: dict | None) -> None:
    rows = [row for row in table["rows"] if row["variant"] == method] if table else []
    if not rows:
        return
    colour, symbol = BY_NAME[method].colour, BY_NAME[method].symbol
    figure.add_scatter(
        x=[row["sparsity"] for row in rows], y=[row["bits"] for row in rows], name=f"{method}, recorded",
        mode="lines+markers", line={"color": colour, "width": 1, "dash": "dot"},
        marker={"color": colour, "symbol": symbol, "size": 6}, text=[percent(row["sparsity"]) for row in rows],
        hovertemplate="recorded, %{text}: %{y:.3f} bits",
    )  # fmt: skip
