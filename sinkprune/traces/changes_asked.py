"""What an endpoint or a command was asked to change while the model writes. Every refusal is a ValueError with a sentence."""

from __future__ import annotations

from sinkprune.decoding import Cover, LeaveOutHeads
from sinkprune.decoding.interventions import COVERED as COVERS
from sinkprune.decoding.interventions import HEADS
from sinkprune.traces.blanks import Blanks

__all__ = ["COVERS", "HEADS", "blanks_asked", "intervention_asked"]


def intervention_asked(
    cover: str | None,
    cover_count: int,
    cover_per_head: bool,
    cover_protocol: str,
    cover_positions: list[int] | None,
    leave_out_heads: str | None,
    heads_count: int,
    seed: int,
) -> Cover | LeaveOutHeads | None:
    """The intervention; None where neither cover nor leave_out_heads is given."""
    if cover and leave_out_heads:
        raise ValueError("cover tokens or leave out heads, not both: one change at a time shows what it does")
    if leave_out_heads:
        return LeaveOutHeads(leave_out_heads, heads_count, seed)
    if not cover:
        return None
    positions = cover_positions or []
    if not isinstance(positions, list | tuple) or any(type(position) is not int for position in positions):
        raise ValueError("the positions to cover must be whole numbers")
    return Cover(cover, cover_count, bool(cover_per_head), tuple(positions), cover_protocol, seed)


def blanks_asked(text: str | None, tokens: int) -> Blanks | None:
    """The answer with blanks; None for no text."""
    return Blanks(text, tokens) if text else None
