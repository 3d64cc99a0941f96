"""What a browser gets of a trace: every frame without its heads, by far the largest part, which are sent when somebody looks at them.

A light frame has, in place of "heads", "layers": base64 uint16 little-endian (L, N), share x 65535, each layer the mean over its heads that
exist. `RecentRuns` makes light traces and keeps the full ones for a while, so that questions for heads can be answered.
"""

from __future__ import annotations

import threading
import zlib
from collections import OrderedDict

import numpy as np

from sinkprune.traces.shares import from_base64, to_base64, to_differences

STEPS_AT_ONCE = 16
GONE = "the heads of this run are no longer in memory: run again to see them"


class RecentRuns:
    """The traces shown last, by run id, up to `capacity` bytes of heads; the ones untouched longest go first. Safe across threads."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._runs: OrderedDict[str, tuple[dict, list[list[dict]]]] = (
            OrderedDict()
        )  # run -> (trace, light frames per lane)
        self._lock = threading.Lock()

    def light(self, trace: dict) -> dict:
        """The trace as a browser gets it. Frames that were asked for before, for any visitor, come back as the same objects."""
        name = _run_of(trace)
        with self._lock:
            longest, known = self._runs.pop(name, (None, []))
            if len(known) != len(trace["lanes"]):
                longest, known = None, [[] for _ in trace["lanes"]]
            frames = [
                [*old, *(light_frame(frame, trace["model"]) for frame in lane["frames"][len(old) :])]
                for lane, old in zip(trace["lanes"], known, strict=True)
            ]
            grown = any(len(new) > len(old) for new, old in zip(frames, known, strict=True))
            self._runs[name] = (trace if grown or longest is None else longest, frames)
            self._forget()
        lanes = [
            {**lane, "frames": light[: len(lane["frames"])]} for lane, light in zip(trace["lanes"], frames, strict=True)
        ]
        return {**trace, "lanes": lanes}

    def heads(self, question: object) -> dict:
        """{"heads": base64 of zlib of uint8 (T, L, H, N)}, each step but the first as its difference (modulo 256) to the one before.

        question: {"run": id, "lane": index, "from": step, "to": step after the last}; at most STEPS_AT_ONCE steps are answered.
        Raises ValueError, in a sentence, for anything that is not there.
        """
        if not isinstance(question, dict) or not isinstance(question.get("run"), str):
            raise ValueError("a question for heads is an object with run, lane, from and to")
        with self._lock:
            name = _run_of(question)
            if name not in self._runs:
                raise ValueError(GONE)
            self._runs.move_to_end(name)
            lanes = self._runs[name][0]["lanes"]
        lane, start, end = (question.get(key) for key in ("lane", "from", "to"))
        if not all(isinstance(value, int) and not isinstance(value, bool) for value in (lane, start, end)):
            raise ValueError("lane, from and to must be whole numbers")
        if not (0 <= lane < len(lanes) and 0 <= start < min(end, len(lanes[lane]["frames"]))):
            raise ValueError("this run has no such step")
        frames = lanes[lane]["frames"][start : min(end, start + STEPS_AT_ONCE)]
        differences = to_differences(np.stack([from_base64(frame["heads"]) for frame in frames]))
        return {"heads": to_base64(zlib.compress(differences.tobytes(), 6))}

    def _forget(self) -> None:
        held = sum(map(_size, self._runs.values()))
        while held > self.capacity and len(self._runs) > 1:
            held -= _size(self._runs.popitem(last=False)[1])


def _run_of(holder: dict) -> str:
    """The id of the run, without what tells one showing of it from another (`runs.seen_as`)."""
    return holder["run"].partition(".")[0]


def light_frame(frame: dict, model: dict) -> dict:
    """The frame with "layers" in place of "heads". model: the trace's, with its numbers of layers and heads."""
    squares = (
        from_base64(frame["heads"]).reshape(model["layers"], model["heads"], -1).astype(np.uint16) ** 2
    )  # (L, H, N)
    live = np.maximum(1, squares.any(2).sum(1, keepdims=True))  # (L, 1)
    layers = squares.sum(1, dtype=np.uint32) / live * (65535 / 255**2)
    light = {key: value for key, value in frame.items() if key != "heads"}
    return {**light, "layers": to_base64(np.minimum(layers + 0.5, 65535).astype("<u2"))}


def _size(run: tuple[dict, list]) -> int:
    return sum(len(lane["frames"][0]["heads"]) * len(lane["frames"]) for lane in run[0]["lanes"] if lane["frames"])
