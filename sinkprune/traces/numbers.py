"""How numbers are written on the page, in figures, on cards and in titles: one percent sign, one minus sign, likelihoods in bits."""

from __future__ import annotations

import math

MINUS = "\u2212"


def percent(share: float, digits: int = 0) -> str:
    """A share as "50 %"."""
    return f"{100 * share:.{digits}f} %".replace("-", MINUS)


def plain(value: float, digits: int = 2) -> str:
    """A number without a plus sign, "0.20" or "−0.20"."""
    return f"{value:.{digits}f}".replace("-", MINUS)


def signed(value: float, digits: int = 2) -> str:
    """A difference with its sign, "+0.20" or "−0.20"; what rounds to zero has none that could mislead: "+0.00"."""
    text = f"{value:+.{digits}f}"
    return f"+{text[1:]}" if not float(text) else text.replace("-", MINUS)


def bits(nats: float) -> float:
    """Nats in bits."""
    return nats / math.log(2)
