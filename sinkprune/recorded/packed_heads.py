"""The heads of a recorded trace, made small: they are by far its largest part.

They are stored per lane as differences from step to step, which compress well: "packed" = {"step": q, "data": base64 lzma}. Where a file
would still be too large, heads are rounded to multiples of the smallest q in ROUNDINGS that fits; everything else stays exact.
"""

from __future__ import annotations

import lzma

import numpy as np

from sinkprune.traces.shares import from_base64, from_differences, to_base64, to_differences

ROUNDINGS = (1, 2, 4, 8, 16)


def pack_heads(trace: dict, rounding: int) -> dict:
    """The trace with "packed" in every lane in place of the frames' heads. rounding: of ROUNDINGS."""
    return {**trace, "lanes": [_pack_lane(lane, rounding) for lane in trace["lanes"]]}


def unpack_heads(trace: dict) -> None:
    """Give the frames of a packed trace their heads back. Raises what a damaged file makes it raise: KeyError, ValueError, LZMAError."""
    for lane in trace["lanes"]:
        _unpack_lane(lane, trace["model"]["layers"] * trace["model"]["heads"])


def _pack_lane(lane: dict, rounding: int) -> dict:
    heads = np.stack([from_base64(frame["heads"]) for frame in lane["frames"]])  # (T, L*H*N)
    levels = np.round(heads / rounding).astype(np.uint8)
    data = to_base64(lzma.compress(to_differences(levels).tobytes()))
    frames = [{key: value for key, value in frame.items() if key != "heads"} for frame in lane["frames"]]
    return {**lane, "frames": frames, "packed": {"step": rounding, "data": data}}


def _unpack_lane(lane: dict, maps: int) -> None:
    packed = lane.pop("packed")
    differences = np.frombuffer(lzma.decompress(from_base64(packed["data"])), np.uint8)
    levels = from_differences(differences.reshape(len(lane["frames"]), maps * lane["length"]))
    heads = np.minimum(levels.astype(np.uint16) * packed["step"], 255).astype(np.uint8)
    for frame, values in zip(lane["frames"], heads, strict=True):
        frame["heads"] = to_base64(values)
