"""Two texts or two lanes side by side in numbers, and the card that says the truth about one run.

Agreement counts positions up to the later of the two ends; an end is the first end token, which counts as written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Divergence:
    """The first step (index of the shared clock) at which both canvases hold a token at `position`, and not the same one."""

    step: int
    position: int


def answer_end(answer: Sequence[int], eos_token_id: int | None) -> int:
    """Tokens up to and including the first end token; all of them where there is none."""
    return answer.index(eos_token_id) + 1 if eos_token_id in answer else len(answer)


def agreement(first: Sequence[int], second: Sequence[int], eos_token_id: int | None = None) -> float:
    """Share of equal tokens at equal positions up to the later end, 0 to 1; symmetric; 1 for two empty answers."""
    end = max(answer_end(first, eos_token_id), answer_end(second, eos_token_id))
    equal = sum(a == b for a, b in zip(first[:end], second[:end], strict=False))
    return equal / end if end else 1.0


def first_divergence(first: dict, second: dict) -> Divergence | None:
    """Where two lanes of one trace part: they may fill positions in another order and still agree; None while they do.

    Of several positions that part at the same step it is the leftmost. A lane that has ended keeps its last canvas.
    """
    written: tuple[dict[int, int], dict[int, int]] = ({}, {})
    for step in range(max(len(first["frames"]), len(second["frames"]))):
        new: set[int] = set()
        for lane, canvas in zip((first, second), written, strict=True):
            if step < len(lane["frames"]):
                committed = {entry[0]: entry[1] for entry in lane["frames"][step]["committed"]}
                canvas.update(committed)
                new |= committed.keys()
        parted = [p for p in new if p in written[0] and p in written[1] and written[0][p] != written[1][p]]
        if parted:
            return Divergence(step, min(parted))
    return None


def answer_ids(lane: dict, mask_token_id: int) -> list[int]:
    """The answer of a lane as token ids, position by position; MASK where nothing is written yet."""
    written = {entry[0]: entry[1] for frame in lane["frames"] for entry in frame["committed"]}
    visible = lane["frames"][-1]["visible"] if lane["frames"] else lane["promptLength"]
    return [written.get(position, mask_token_id) for position in range(lane["promptLength"], visible)]


def fingerprint(trace: dict) -> str:
    """12 hex digits of what the lanes wrote and in how many forward passes: equal for two runs that are the same."""
    lanes = [[lane["nfe"], answer_ids(lane, lane["maskId"])] for lane in trace["lanes"]]
    return hashlib.sha256(json.dumps(lanes).encode()).hexdigest()[:12]


def distinct_ngrams(tokens: Sequence[int], n: int = 4) -> float:
    """Distinct n-grams / all n-grams, 0 to 1; 1 where the text is shorter than n."""
    ngrams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    return len(set(ngrams)) / len(ngrams) if ngrams else 1.0


def repeated_ngrams(tokens: Sequence[int], n: int = 4) -> float:
    """Share of n-grams that stood earlier in the text already: 1 - distinct."""
    return 1.0 - distinct_ngrams(tokens, n)


def layer_sparsity(masks: dict[str, torch.Tensor]) -> list[float]:
    """Zeros / weights per layer, in layer order, from the masks of a PruneResult (names `model.layers.<i>. …`)."""
    zeros: dict[int, int] = {}
    weights: dict[int, int] = {}
    for name, mask in masks.items():
        layer = int(name.split("layers.")[1].split(".")[0])
        zeros[layer] = zeros.get(layer, 0) + int(mask.sum())
        weights[layer] = weights.get(layer, 0) + mask.numel()
    return [zeros[layer] / weights[layer] for layer in sorted(weights)]
