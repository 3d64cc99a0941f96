"""The trace: a recorded run as JSON, the one format of live runs, exports and presets.

```
trace = {"format": "sinkprune-trace", "version": 1,
         "run": "9f2c…",                       changes with every run, so that the same prompt twice is two values
         "prompt": "…",                        what was typed
         "model": {"name": "bundled", "layers": L, "heads": H, "revision": "…" | null},
         "settings": {…},                      the DecodeConfig as a dict, plus what else made the run
         "lanes": [lane, …],                   one to three; lanes of a trace share prompt, seed and clock
         "view": {"layer": index | null}}      optional: the layer (from 0) shown when the run opens; null or absent: the mean over all
lane  = {"kind": "dlm" | "ar",
         "title": "Diffusion",                 shown above the lane
         "model": "bundled" | store key,       which weights wrote it (N x N maps are asked for by it)
         "promptLength": P, "length": N,       positions 0 … N-1, the first P are the prompt
         "ids": [id, …], "tokens": [text, …],  P entries: the prompt's token ids and texts (models.running_texts)
         "maskId": id, "maskText": "<mask>",   what stands at a position of the canvas that is not committed yet; -1 and
                                               "" for a model that has no MASK and only writes token by token
         "given": [[position, id, text], …],   optional: tokens after the prompt that were there from the start
         "frames": [frame, …], "done": false,
         "text": "…",                          the answer so far, special tokens left out
         "nfe": 0, "seconds": 0.0}             forwards and wall time so far
frame = {"step": 0, "block": 0, "nfe": 1, "seconds": 0.031,
         "rows": [start, end],                 query positions this forward computed; a key-value cache makes it less than all
         "visible": n,                         positions that exist (N for "dlm"; grows by one a step for "ar")
         "committed": [[position, id, text, confidence], …],
         "confidence": base64 uint8 (N),       best token's probability x 254 at each position, 255 where none was computed
         "share": base64 uint16 little-endian (N),   attention share x 65535: column mass / rows, mean over layers and heads; sums to 1
         "heads": base64 uint8 (L, H, N),      the same per layer and head, stored as 255 sqrt(share) so that small shares survive
         "kv": [entries, bytes],               optional, as the next three: keys (with values) that attention read, and their bytes
         "kept": bits (L, N),                  columns that each layer's sparse cache had; a column left out has share 0
         "covered": bits (L, H, N),            columns that an intervention gave no attention
         "leftOut": bits (L, H),               heads that an intervention left out; they have share 0 everywhere
         "edits": [[position, id, text], …],   optional: what somebody put there before this forward; maskId is a mask again
         "candidates": [[position, [[text, probability], …]], …],   optional, on request: the likeliest tokens of masked positions
         "filled": [[position, id, text], …],  optional, in a last frame: the answer had ended, so end tokens filled the rest of
                                               the canvas; no forward predicted them
         "values": base64 uint8 (L, N)}        optional, on request: length r of each value vector, in units of the layer's median of this
                                               frame, stored as 255 sqrt(r / 4); above 4 it is cut; 0 where there is none
```
bits: base64 of the array's bits in C order, eight a byte, the first one highest. Earlier files lack the optional keys and stay valid.
A head that a structured cut removed has share 0 everywhere; means are over the heads that exist.
Multiply a share by `visible` to get the mass in units of the mean (1 = what uniform attention would give).
Token texts are untrusted: whoever shows them sets text, never HTML.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import numpy as np
import torch

from sinkprune.decoding import Step
from sinkprune.models import LoadedModel, decode_answer, running_texts, token_texts
from sinkprune.sinks import live_heads
from sinkprune.traces.shares import from_base64, from_levels, to_base64, to_levels

FORMAT = "sinkprune-trace"
VERSION = 1
NOT_COMPUTED = 255
MOST_VALUE = 4.0  # times the median: longer value vectors are stored as this


@dataclass(frozen=True)
class LaneArrays:
    """A lane's frames as arrays over T frames; shares are zero at positions that do not exist yet.

    share: (T, N) float64, attention share, every row sums to 1. heads: (T, L, H, N) float32, the same per layer and head.
    confidence: (T, N) float64, NaN where none was computed. visible: (T,) int, positions that exist.
    """

    share: np.ndarray
    heads: np.ndarray
    confidence: np.ndarray
    visible: np.ndarray


def start_trace(prompt: str, loaded: LoadedModel, settings: dict, lanes: list[dict]) -> dict:
    """A trace around freshly started lanes. settings: everything else that made the run, JSON values only."""
    config = loaded.model.config
    return {
        "format": FORMAT,
        "version": VERSION,
        "run": uuid.uuid4().hex,
        "prompt": prompt,
        "model": {
            "name": loaded.spec.name,
            "layers": config.num_hidden_layers,
            "heads": config.num_attention_heads,
            "revision": loaded.spec.revision,
        },
        "settings": settings,
        "lanes": lanes,
    }


def start_lane(
    kind: str,
    title: str,
    model_key: str,
    loaded: LoadedModel,
    prompt_ids: torch.Tensor,
    length: int,
    given: dict[int, int] | None = None,
) -> dict:
    """A lane without frames. prompt_ids: (1, P); length: N, the positions it will have when it is done.

    given: position -> token id of what stands after the prompt from the start.
    """
    ids, mask = prompt_ids[0].tolist(), loaded.spec.mask_token_id
    texts = token_texts(loaded, list(given.values())) if given else []
    return {
        "kind": kind,
        "title": title,
        "model": model_key,
        "promptLength": len(ids),
        "length": length,
        "ids": ids,
        "tokens": running_texts(loaded, ids),
        "maskId": -1 if mask is None else mask,
        "maskText": "" if mask is None else token_texts(loaded, [mask])[0],
        **({"given": [[*entry, text] for entry, text in zip(given.items(), texts, strict=True)]} if given else {}),
        "frames": [],
        "done": False,
        "text": "",
        "nfe": 0,
        "seconds": 0.0,
    }


def add_step(lane: dict, step: Step, loaded: LoadedModel) -> dict:
    """A new lane with one more frame; the old lane and its frames stay as they are, so a value already sent never changes.

    Raises ValueError when the step was made without recording attention.
    """
    frame = encode_frame(step, lane["length"], loaded)
    answer = step.canvas[0, lane["promptLength"] :]
    return {
        **lane,
        "frames": [*lane["frames"], frame],
        "text": decode_answer(loaded, answer),
        "nfe": step.nfe,
        "seconds": frame["seconds"],
    }


def encode_frame(step: Step, length: int, loaded: LoadedModel) -> dict:
    """One step as a frame of N = `length` positions; those that do not exist yet have share 0 and no confidence."""
    if step.column_mass is None:
        raise ValueError("a trace needs recorded attention: decode with record=True")
    start, end = step.rows
    visible = step.canvas.shape[1]
    share = step.column_mass.numpy() / np.float32(end - start)  # (L, H, n)
    heads = np.zeros((*share.shape[:2], length), np.uint8)
    heads[..., :visible] = to_levels(share)
    mean = np.zeros(length, "<u2")
    live = live_heads(step.column_mass).sum().item()
    mean[:visible] = np.minimum(share.sum((0, 1)) / live * 65535 + 0.5, 65535)
    confidence = np.full(length, NOT_COMPUTED, np.uint8)
    computed = ~np.isnan(step.confidence.numpy())
    confidence[:visible][computed] = step.confidence.numpy()[computed] * 254 + 0.5
    return {
        "step": step.index,
        "block": step.block,
        "nfe": step.nfe,
        "seconds": round(step.seconds, 4),
        "rows": [start, end],
        "visible": visible,
        "committed": _committed(step, loaded),
        "confidence": to_base64(confidence),
        "share": to_base64(mean),
        "heads": to_base64(heads),
        **_changes(step, length, loaded),
    }


def _changes(step: Step, length: int, loaded: LoadedModel) -> dict:
    """The optional keys of a frame: what the forward read, what was left out of it, what was written without it."""
    changes = {"kv": [step.kv_entries, step.kv_bytes]} if step.kv_entries else {}
    if step.filled is not None and len(step.filled):
        ids = step.canvas[0, step.filled]
        changes["filled"] = list(
            map(list, zip(step.filled.tolist(), ids.tolist(), token_texts(loaded, ids), strict=True))
        )
    for name, bits in (("kept", step.kept), ("covered", step.covered), ("leftOut", step.left_out)):
        if bits is not None:
            room = 0 if name == "leftOut" else length - bits.shape[-1]
            changes[name] = to_base64(np.packbits(torch.nn.functional.pad(bits, (0, room)).numpy()))
    if step.candidates is not None:
        changes["candidates"] = [
            [position, [list(one) for one in zip(token_texts(loaded, tokens), probabilities, strict=True)]]
            for position, tokens, probabilities in zip(
                step.candidates.positions.tolist(),
                step.candidates.tokens.tolist(),
                step.candidates.probabilities.double().round(decimals=4).tolist(),
                strict=True,
            )
        ]
    if step.value_norms is not None:
        changes["values"] = to_base64(_value_levels(step.value_norms.numpy(), length))
    return changes


def _value_levels(norms: np.ndarray, length: int) -> np.ndarray:
    """(L, N) uint8 from value norms (L, n), NaN where there is none."""
    levels = np.zeros((len(norms), length), np.uint8)
    relative = norms / np.maximum(np.nanmedian(norms, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    levels[:, : norms.shape[1]] = to_levels(np.minimum(np.nan_to_num(relative, nan=0.0) / MOST_VALUE, 1))
    return levels


def frame_values(frame: dict, layers: int, length: int) -> np.ndarray | None:
    """(L, N) float32, value vectors' lengths in units of the layer's median, NaN where there is none; None if not asked for."""
    if "values" not in frame:
        return None
    levels = from_base64(frame["values"]).reshape(layers, length)
    return np.where(levels == 0, np.nan, from_levels(levels) * MOST_VALUE).astype(np.float32)


def _committed(step: Step, loaded: LoadedModel) -> list[list]:
    ids = step.canvas[0, step.committed]
    confidence = step.confidence[step.committed].double().round(decimals=4).tolist()
    return [
        list(entry)
        for entry in zip(step.committed.tolist(), ids.tolist(), token_texts(loaded, ids), confidence, strict=True)
    ]


def decode_lane(trace: dict, lane: dict) -> LaneArrays:
    """A lane's frames back as arrays, to within the quantisation: share 8e-6, per head 2 % at a share of 1/100."""
    frames = lane["frames"]
    shape = (len(frames), trace["model"]["layers"], trace["model"]["heads"], lane["length"])
    share = _stored(frames, "share", "<u2").reshape(len(frames), lane["length"]) / 65535
    heads = from_levels(_stored(frames, "heads", np.uint8).reshape(shape))
    confidence = _stored(frames, "confidence", np.uint8).reshape(len(frames), lane["length"]).astype(float)
    confidence = np.where(confidence == NOT_COMPUTED, np.nan, confidence / 254)
    return LaneArrays(share, heads, confidence, np.array([frame["visible"] for frame in frames], int))


def is_cached(trace: dict) -> bool:
    """Whether a key-value cache was on: then a frame holds the attention of its rows only, not of those kept from before."""
    return trace["settings"].get("cache", "none") != "none"


def _stored(frames: list[dict], key: str, dtype: type | str) -> np.ndarray:
    return np.concatenate([from_base64(frame[key], dtype) for frame in frames] or [np.zeros(0, dtype)])
