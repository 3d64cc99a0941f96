"""How shares are written, in titles of lanes and everywhere above: one percent sign, one minus sign."""

from __future__ import annotations

MINUS = "\u2212"


def percent(share: float, digits: int = 0) -> str:
    """A share as "50 %"."""
    return f"{100 * share:.{digits}f} %".replace("-", MINUS)
