"""The look that all figures share: colours told apart by dash and hatch as well, transparent backgrounds, mid-grey text.

Blue is the first lane, vermilion the second (close to Okabe-Ito, at least 3:1 against white and a dark card). One figure serves light
and dark pages. Only attributes of plotly.js 3 are used.
"""

from __future__ import annotations

from dataclasses import dataclass

import plotly.graph_objects as go


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


BELOW, ABOVE = (47, 127, 208), (217, 67, 42)
SIGNED_STOPS = 16  # on either side of zero


def signed_colours(top: float) -> dict:
    """Colours of a heatmap of differences within ±top, as the player has them: blue below zero, red above, clear at zero.

    Strength grows with the root of a difference, so that small ones are seen; clear shows the page, light or dark.
    """
    shares = [step / SIGNED_STOPS for step in range(SIGNED_STOPS + 1)]
    below = [[(1 - share) / 2, _clear(BELOW, share)] for share in reversed(shares)]
    above = [[(1 + share) / 2, _clear(ABOVE, share)] for share in shares]
    return {"colorscale": below + above, "zmin": -top, "zmax": top}


def _clear(colour: tuple[int, int, int], share: float) -> str:
    return f"rgba({','.join(map(str, colour))},{share**0.5:.3f})"


def styled(figure: go.Figure, height: int) -> go.Figure:
    """The figure with the look that all share; changed in place and returned."""
    axis = {"gridcolor": GRID, "zerolinecolor": GRID, "linecolor": GRID}
    figure.update_xaxes(**axis).update_yaxes(**axis)
    return figure.update_layout(
        template=go.layout.Template(), height=height, margin={"l": 50, "r": 15, "t": 30, "b": 45},
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", font={"color": TEXT, "size": 12},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )  # fmt: skip
