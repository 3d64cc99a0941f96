"""How many tokens each forward pass of a trace committed, and how sure the model was: where parallel decoding pays, where it stalls."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LaneCommits:
    """One value a forward pass. counts: tokens committed. surest: confidence of the surest of them, 0 to 1.

    stalled: no token was sure enough (`confidence_needed`), so the best one was committed anyway.
    """

    title: str
    counts: list[int]
    surest: list[float]
    stalled: list[bool]


def confidence_needed(settings: dict) -> float | None:
    """The confidence that lets a block's best token pass; None where each step commits a fixed number.

    settings: of a trace. With Fast-dLLM's factor f, one token passes when (1 + 1)(1 - c) < f.
    """
    if settings["threshold"] is not None:
        return settings["threshold"]
    return None if settings["factor"] is None else max(0.0, 1 - settings["factor"] / 2)


def lane_commits(trace: dict) -> list[LaneCommits]:
    """One for each lane."""
    needed = confidence_needed(trace["settings"])
    lanes = []
    for lane in trace["lanes"]:
        committed = [[entry[3] for entry in frame["committed"]] for frame in lane["frames"]]
        surest = [max(confidences) for confidences in committed]
        stalled = [needed is not None and best < needed for best in surest]
        lanes.append(LaneCommits(lane["title"], [len(step) for step in committed], surest, stalled))
    return lanes
