"""What a recorded run can show, measured: each property finds itself in a run, says so in one sentence, and says how strongly.

A property is a function of a run and a layer (None: the mean over all): it returns a `Finding`, or None where the run does not show it.
Every number and token in the sentence is read off the recording, so the sentence is true of it whatever model wrote it. Steps count from 1
in sentences, as in the player. The order of PROPERTIES is the order in which presets are shown.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sinkprune.recorded.watched import Reign, Watched, is_special, listed, times, where
from sinkprune.traces.format import decode_lane, is_cached
from sinkprune.traces.numbers import percent

STILL = 0.5  # temporal variance in tokens squared below which the centroid stays on its token


@dataclass(frozen=True)
class Finding:
    """score: larger is clearer, comparable within one property only. layer: where to look. look: one sentence."""

    score: float
    layer: int | None
    look: str


@dataclass(frozen=True)
class Property:
    """single: whether it is looked for in single layers as well as in the mean. fast: whether it is about runs that need few steps."""

    title: str
    find: Callable[[Watched, int | None], Finding | None]
    single: bool = True
    fast: bool = False


def best_finding(name: str, run: Watched) -> Finding | None:
    """The layer, or the mean, in which the run shows the property most clearly; None where it does not show it at all.

    A run with a key-value cache is asked for "cached" only: attention of rows that were not computed again is missing from its river.
    """
    if is_cached(run.trace) != (name == "cached"):
        return None
    layers = [None, *range(run.layers)] if PROPERTIES[name].single else [None]
    found = [finding for layer in layers if (finding := PROPERTIES[name].find(run, layer))]
    return max(found, key=lambda finding: finding.score, default=None)


def follows_writing(run: Watched, layer: int | None) -> Finding | None:
    """The lead goes to text of the answer as soon as it is written, at least twice, while the causal lane's lead stays.

    Moves to end marks do not count: they are often written from the back, which is not where the reader looks.
    """
    reigns, causal = run.reigns(layer), run.causal(layer)
    text = [reign for reign in reigns[1:] if not is_special(run.texts[reign.position])]
    new = [reign for reign in text if 0 <= run.written[reign.position] == reign.first - 1]
    if len(new) < 2 or causal is None or causal.moves:
        return None
    names = list(dict.fromkeys(run.token(reign.position) for reign in new))
    named = listed(names) if len(names) <= 3 else listed([*names[:2], f"{len(names) - 2} more"])
    home = "position 0" if causal.leaders[0] == 0 else f"position {causal.leaders[0]}"
    look = (
        f"{where(layer)}: under diffusion the lead moves {times(len(reigns) - 1)}, {len(new)} of these to a token just written ({named}); "
        f"autoregressively it never leaves {home}."
    )
    return Finding(len(new) * len(new) / (len(reigns) - 1), layer, look)


def drifts(run: Watched, layer: int | None) -> Finding | None:
    """The centroid goes from earlier to later positions, steadily, by 12 tokens or more; autoregressively it stays."""
    centroids, causal = run.diffusion(layer).centroids, run.causal(layer)
    known = np.isfinite(centroids)
    if known.mean() < 0.8 or known.sum() < 8 or causal is None or not causal.temporal_variance < 1:
        return None
    steps, path = np.nonzero(known)[0], centroids[known]
    quarter = len(path) // 4
    begun, ended = path[:quarter].mean(), path[-quarter:].mean()
    if path.std() == 0 or ended - begun < 12:
        return None
    steadiness = float(np.corrcoef(steps, path)[0, 1])
    if steadiness < 0.7:
        return None
    look = (
        f"{where(layer)}: the centre of the sinks drifts from position {begun:.0f} in the first quarter of the steps to {ended:.0f} in the "
        f"last; autoregressively its variance is {causal.temporal_variance:.2g} tokens²."
    )
    return Finding(float((ended - begun) * steadiness), layer, look)


def jumps_at_edge(run: Watched, layer: int | None) -> Finding | None:
    """In the first step of a block the lead leaves a position for one at least 5 away; both lead for two steps or more."""
    blocks = [frame["block"] for frame in run.frames]
    best = None
    reigns = run.reigns(layer)
    for before, after in itertools.pairwise(reigns):
        at = after.first
        edge = blocks[at] != blocks[at - 1] and before.last == at - 1
        distance = abs(after.position - before.position)
        if not edge or distance < 5 or min(_length(before), _length(after)) < 2:
            continue
        score = min(_length(before), _length(after)) / run.steps + distance / 1000
        if best is None or score > best.score:
            look = (
                f"{where(layer)}: the lead jumps {distance} positions, from {run.token_at(before.position, at - 1)} to "
                f"{run.token_at(after.position, at)}, in step {at + 1}, the first of block {blocks[at] + 1}."
            )
            best = Finding(score, layer, look)
    return best


def dies(run: Watched, layer: int | None) -> Finding | None:
    """A position leads in a fifth of the steps or more and is no sink in the last third."""
    lane = run.diffusion(layer)
    best = None
    for position in {reign.position for reign in run.reigns(layer)}:
        is_sink = np.nonzero(lane.sinks[:, position])[0]
        last = int(is_sink[-1])
        led = int((lane.leaders[is_sink] == position).sum())
        if led < run.steps / 5 or last >= run.steps * 2 / 3 or not lane.sinks[last + 1 :].any():
            continue
        score = led / run.steps * (1 - last / run.steps)
        if best is None or score > best.score:
            look = (
                f"{where(layer)}: {run.token_at(position, last)} leads in {led} of the first {last + 1} steps, and from step {last + 2} "
                f"to the last, {run.steps}, it is no sink any more."
            )
            best = Finding(score, layer, look)
    return best


def punctuation(run: Watched, layer: int | None) -> Finding | None:
    """At the last step at least two sinks, and half of all, are punctuation marks."""
    marks = [position for position, text in run.texts.items() if _is_punctuation(text)]
    sinks = np.nonzero(run.diffusion(layer).sinks[-1])[0].tolist()
    among = [position for position in sinks if position in marks]
    if len(among) < 2 or 2 * len(among) < len(sinks):
        return None
    arrays = decode_lane(run.trace, {**run.lane, "frames": run.frames[-1:]})
    shares = arrays.share[0] if layer is None else arrays.heads[0, layer].mean(0)
    share = float(shares[marks].sum())
    which = "all" if len(among) == len(sinks) else f"{len(among)} of"
    look = (
        f"{where(layer)}: at the last step {which} {len(sinks)} sinks are punctuation, and the {len(marks)} punctuation marks among "
        f"{len(run.texts)} positions take {percent(share)} of the attention."
    )
    return Finding(share * len(among) / len(sinks), layer, look)


def mask_becomes_sink(run: Watched, layer: int | None) -> Finding | None:
    """A position that is no sink at first becomes one while it is still a mask, and leads as a mask in three steps or more."""
    lane = run.diffusion(layer)
    best = None
    for position in {reign.position for reign in run.reigns(layer)}:
        is_sink = np.nonzero(lane.sinks[:, position])[0]
        led = [int(step) for step in is_sink if lane.leaders[step] == position and run.is_mask(position, int(step))]
        if is_sink[0] == 0 or not run.is_mask(position, int(is_sink[0])) or len(led) < 3:
            continue
        if best is None or len(led) > best.score:
            look = (
                f"{where(layer)}: position {position}, a mask until step {run.written[position] + 1}, is no sink at first, becomes one at "
                f"step {is_sink[0] + 1} and leads in {len(led)} steps while it is still a mask."
            )
            best = Finding(len(led), layer, look)
    return best


def contrast(run: Watched, layer: int | None) -> Finding | None:
    """The centroid has a variance of 50 tokens squared or more under diffusion and stays on its token autoregressively."""
    diffusion, causal = run.diffusion(layer), run.causal(layer)
    if causal is None or not diffusion.temporal_variance >= 50 or not causal.temporal_variance < STILL:
        return None
    (low, high), (causal_low, causal_high) = (
        (np.nanmin(lane.centroids), np.nanmax(lane.centroids)) for lane in (diffusion, causal)
    )
    still = "at" if round(causal_low) == round(causal_high) else f"between {causal_low:.0f} and"
    look = (
        f"{where(layer)}: on the same weights and prompt the centre of the sinks wanders between positions {low:.0f} and {high:.0f} under "
        f"diffusion (temporal variance {diffusion.temporal_variance:.0f} tokens²) and stays {still} {causal_high:.0f} autoregressively "
        f"({causal.temporal_variance:.2g})."
    )
    return Finding(diffusion.temporal_variance, layer, look)


def mean_hides(run: Watched, layer: int | None) -> Finding | None:
    """The lead never moves in the mean over all layers, and moves twice or more in one of them."""
    reigns = run.reigns(layer)
    moves = [run.diffusion(single).moves for single in range(run.layers)]
    most = int(np.argmax(moves))
    if len(reigns) != 1 or moves[most] < 2:
        return None
    look = (
        f"Averaged over all layers {_leader(run, reigns[0])} leads at every step: choose layer {most + 1}, where the lead moves "
        f"{times(moves[most])}; it moves in {sum(map(bool, moves))} of {run.layers} layers."
    )
    return Finding(sum(map(bool, moves)), None, look)


def stays(run: Watched, layer: int | None) -> Finding | None:
    """The counterexample: under diffusion, too, the lead never moves in the mean nor in a third of the layers."""
    reigns = run.reigns(layer)
    still = sum(run.diffusion(single).moves == 0 for single in range(run.layers))
    if len(reigns) != 1 or 3 * still < run.layers:
        return None
    look = (
        f"A counterexample, under diffusion too: averaged over all layers {_leader(run, reigns[0])} leads at every step, and in {still} of "
        f"{run.layers} layers the lead never moves."
    )
    return Finding(still, None, look)


def walks_backwards(run: Watched, layer: int | None) -> Finding | None:
    """Three leaders or more in a row, each nearer to the beginning than the one before."""
    best: list[Reign] = []
    row: list[Reign] = []
    for reign in run.reigns(layer):
        row = [*row, reign] if row and reign.position < row[-1].position else [reign]
        best = max(best, row, key=len)
    if len(best) < 4:
        return None
    look = (
        f"{where(layer)}: the lead walks backwards {times(len(best) - 1)} in a row, from position {best[0].position} at step "
        f"{best[0].first + 1} to position {best[-1].position} at step {best[-1].first + 1}."
    )
    return Finding(len(best), layer, look)


def cached(run: Watched, layer: int | None) -> Finding | None:
    """Most forward passes compute only some rows, because a key-value cache keeps the others."""
    cache = run.trace["settings"]["cache"]
    widths = [end - start for start, end in (frame["rows"] for frame in run.frames)]
    partial = [width for width in widths if width < run.lane["length"]]
    if 2 * len(partial) < run.steps:
        return None
    look = (
        f"With the {cache} cache {len(partial)} of {run.steps} forward passes compute at most {max(partial)} of {run.lane['length']} "
        "positions; the others are hatched in the N×N view, because their attention was not computed again."
    )
    return Finding(len(partial) / run.steps, layer, look)


def many_at_once(run: Watched, layer: int | None) -> Finding | None:
    """One step writes four tokens of text or more."""
    counts = [sum(not is_special(text) for _, _, text, _ in frame["committed"]) for frame in run.frames]
    most = int(np.argmax(counts))
    positions = sum(len(frame["committed"]) for frame in run.frames)
    if counts[most] < 4:
        return None
    look = (
        f"{run.steps} forward passes write {positions} positions: step {most + 1} alone writes {counts[most]} tokens of text at once, "
        "each because the model was sure enough of it."
    )
    return Finding(counts[most] + positions / run.steps / 100, layer, look)


PROPERTIES = {
    "writing": Property("The sink follows the writing", follows_writing),
    "contrast": Property("Diffusion against autoregressive", contrast),
    "drift": Property("A long drift", drifts),
    "edge": Property("A jump at a block's edge", jumps_at_edge),
    "dies": Property("A sink dies", dies),
    "mask": Property("A mask becomes a sink", mask_becomes_sink),
    "punctuation": Property("Punctuation sinks", punctuation),
    "hides": Property("What the mean hides", mean_hides, single=False),
    "backwards": Property("The lead walks backwards", walks_backwards),
    "parallel": Property("Many tokens at once", many_at_once, single=False, fast=True),
    "cached": Property("Cached decoding", cached, single=False, fast=True),
    "stays": Property("A sink that stays", stays, single=False),
}


def _leader(run: Watched, reign: Reign) -> str:
    token, place = run.token(reign.position), f"position {reign.position}"
    return token if place in token else f"{token} ({place})"


def _length(reign: Reign) -> int:
    return reign.last - reign.first + 1


def _is_punctuation(text: str) -> bool:
    return not is_special(text) and bool(text.strip()) and not any(map(str.isalnum, text))
