"""Where two lanes of a trace part, what a lane wrote, and a short name of what a run wrote."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Divergence:
    """The first step (index of the shared clock) at which both canvases hold a token at `position`, and not the same one."""

    step: int
    position: int


def first_divergence(first: dict, second: dict) -> Divergence | None:
    """Where two lanes of one trace part: they may fill positions in another order and still agree; None while they do.

    Of several positions that part at the same step it is the leftmost. A lane that has ended keeps its last canvas.
    """
    written: tuple[dict[int, int], dict[int, int]] = ({}, {})
    for step in range(max(len(first["frames"]), len(second["frames"]))):
        new: set[int] = set()
        for lane, canvas in zip((first, second), written, strict=True):
            if step < len(lane["frames"]):
                put = put_by(lane["frames"][step])
                canvas.update(put)
                new |= put.keys()
                if lane["maskId"] >= 0:  # -1: a model without MASK
                    for position in [p for p in put if put[p] == lane["maskId"]]:
                        del canvas[position]
        parted = [p for p in new if p in written[0] and p in written[1] and written[0][p] != written[1][p]]
        if parted:
            return Divergence(step, min(parted))
    return None


def answer_ids(lane: dict, mask_token_id: int) -> list[int]:
    """The answer of a lane as token ids, position by position; MASK where nothing is written yet."""
    written = {position: token for position, token, _ in lane.get("given", ())}
    for frame in lane["frames"]:
        written |= put_by(frame)
    visible = lane["frames"][-1]["visible"] if lane["frames"] else lane["promptLength"]
    return [written.get(position, mask_token_id) for position in range(lane["promptLength"], visible)]


def put_by(frame: dict) -> dict[int, int]:
    """Position -> token id that a frame put: edits before its forward, what it committed, and end tokens that filled the rest."""
    put = (*frame.get("edits", ()), *frame["committed"], *frame.get("filled", ()))
    return {position: token for position, token, *_ in put}


def fingerprint(trace: dict) -> str:
    """12 hex digits of what the lanes wrote and in how many forward passes: equal for two runs that are the same."""
    lanes = [[lane["nfe"], answer_ids(lane, lane["maskId"])] for lane in trace["lanes"]]
    return hashlib.sha256(json.dumps(lanes).encode()).hexdigest()[:12]
