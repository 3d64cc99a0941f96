"""Made-up finished runs in which the test says who leads when, what is written when, and nothing else happens."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import numpy as np

LENGTH, PROMPT = 40, 6


def encoded(array: np.ndarray) -> str:
    return base64.b64encode(array.tobytes()).decode("ascii")


def make_run(
    leaders: Sequence[Sequence[int]],
    written: dict[int, tuple[int, str]] | None = None,
    causal: Sequence[int] | None = (),
    blocks: Sequence[int] = (),
    rows: Sequence[tuple[int, int]] = (),
    cache: str = "none",
) -> dict:
    """A trace of one head a layer. T steps, 40 positions, the first 6 of them the prompt.

    leaders: for each layer the position that takes half of the attention at each step. written: position -> (step, text); the others are
    written as "w" at the last step. causal: leaders of the autoregressive lane in all layers; position 0 if empty, no lane if None.
    """
    steps = len(leaders[0])
    lanes = [_lane("dlm", "Diffusion", leaders, written or {}, list(blocks) or [0] * steps, list(rows))]
    if causal is not None:
        lanes.append(_lane("ar", "Autoregressive", [list(causal) or [0] * steps] * len(leaders), {}, [0] * steps, []))
    return {
        "format": "sinkprune-trace", "version": 1, "run": "made-up", "prompt": "a b c d e f", "view": {"layer": None},
        "model": {"name": "made-up", "layers": len(leaders), "heads": 1, "revision": None},
        "settings": {"cache": cache}, "lanes": lanes,
    }  # fmt: skip


def _lane(kind: str, title: str, leaders, written: dict, blocks: list[int], rows: list) -> dict:
    steps = len(leaders[0])
    when = {position: written.get(position, (steps - 1, "w")) for position in range(PROMPT, LENGTH)}
    frames = []
    for step in range(steps):
        shares = np.full((len(leaders), 1, LENGTH), 0.5 / (LENGTH - 1))
        for layer, row in enumerate(leaders):
            shares[layer, 0, row[step]] = 0.5
        committed = [[position, 9, text, 0.5] for position, (at, text) in when.items() if at == step]
        frames.append(
            {
                "step": step, "block": blocks[step], "nfe": step + 1, "seconds": 0.1, "committed": committed,
                "rows": list(rows[step]) if rows else [0, LENGTH], "visible": LENGTH,
                "confidence": encoded(np.full(LENGTH, 255, np.uint8)),
                "share": encoded(np.round(shares.mean((0, 1)) * 65535).astype("<u2")),
                "heads": encoded(np.round(np.sqrt(shares) * 255).astype(np.uint8)),
            }
        )  # fmt: skip
    return {
        "kind": kind, "title": title, "model": "made-up", "promptLength": PROMPT, "length": LENGTH, "ids": list(range(PROMPT)),
        "tokens": [f"p{position}" for position in range(PROMPT)], "maskId": 3, "maskText": "[MASK]", "frames": frames,
        "done": True, "text": "the answer", "nfe": steps, "seconds": 1.0,
    }  # fmt: skip
