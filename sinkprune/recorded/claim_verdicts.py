"""What the recordings of one model say to each claim of the paper: a sentence with numbers, and a verdict.

A judge takes Recordings and gives (what they show, one of VERDICTS), or None where nothing was recorded. Intervals are 95 %, over
prompts, texts and seeds, or heads, as the sentence says. `recorded.claims` pairs each judge with its claim.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sinkprune.lab.intervals import Interval, crossed_interval
from sinkprune.recorded.covering import load_covering, one_covered
from sinkprune.recorded.head_changes import load_head_changes
from sinkprune.recorded.prompt_set import PromptSet, load_prompt_set
from sinkprune.recorded.pruning_table import load_table
from sinkprune.traces.numbers import percent, plain, signed
from sinkprune.traces.sink_statistics import LaneStatistics

AGREES, PART, NOT, MISSING = VERDICTS = ("agrees", "agrees in part", "does not agree", "not measured yet")
FLAT = 1.0  # tokens that a centre of sinks may move and still stand still
MUCH = 10.0  # "orders of magnitude": at least one


@dataclass(frozen=True)
class Recordings:
    """What was recorded of one model; None where nothing was."""

    sinks: PromptSet | None
    table: dict | None
    heads: dict | None
    covering: dict | None


def load_recordings() -> Recordings:
    """Everything in assets/ that claims are computed from."""
    return Recordings(load_prompt_set(), load_table(), load_head_changes(), load_covering())


def pairs(sinks: PromptSet, value: Callable[[LaneStatistics], float]) -> np.ndarray | None:
    """(2, prompts) of the diffusion and the autoregressive lane, mean over layers, where both are numbers; None below two prompts."""
    lanes = {(lane.kind, lane.prompt): value(lane) for lane in sinks.in_layer(None)}
    both = [[lanes.get((kind, prompt), np.nan) for prompt in sinks.prompts] for kind in ("dlm", "ar")]
    values = np.array(both, float)
    values = values[:, np.isfinite(values).all(0)]
    return values if values.shape[1] >= 2 else None


def over(values: np.ndarray) -> Interval:
    """The mean over prompts with its 95 % interval."""
    return crossed_interval(values[None])


def words(interval: Interval | Sequence[float], digits: int = 1, sign: bool = False) -> str:
    """ "2.3 (1.9 to 2.7)"."""
    mean, low, high = (interval.mean, interval.low, interval.high) if isinstance(interval, Interval) else interval
    said = [(signed if sign else plain)(value, digits) for value in (mean, low, high)]
    return f"{said[0]} ({said[1]} to {said[2]})"


def drift(lane: LaneStatistics) -> float:
    """Tokens that the centre of the sinks goes from the first quarter of the steps to the last; NaN where one of them has no sink."""
    quarter = max(1, len(lane.centroids) // 4)
    first, last = lane.centroids[:quarter], lane.centroids[-quarter:]
    if np.isnan(first).all() or np.isnan(last).all():
        return float("nan")
    return float(np.nanmean(last) - np.nanmean(first))


def moves(found: Recordings) -> tuple[str, str] | None:
    values = found.sinks and pairs(found.sinks, lambda lane: lane.moves)
    if values is None:
        return None
    more = over(values[0] - values[1])
    shows = (
        f"The leading sink changes its token {words(over(values[0]))} times a run under diffusion and {words(over(values[1]))} times "
        f"autoregressively; mean over {values.shape[1]} prompts."
    )
    still = over(values[1]).mean < 0.5
    return shows, AGREES if more.low > 0 and still else PART if more.low > 0 else NOT


def flips(found: Recordings) -> tuple[str, str] | None:
    if found.heads is None:
        return None
    ablation = next(pair for pair in found.heads["pairs"] if "weight 1" in pair["against"])
    official = next(pair for pair in found.heads["pairs"] if pair["against"] == "wanda")
    shows = (
        f"At {percent(found.heads['sparsity'])} the sink weight alone changes {percent(ablation['flipped'], 2)} of all decisions; "
        f"sink-wanda and the official Wanda differ in {percent(official['flipped'], 2)}, because noise and sums differ too."
    )
    return shows, AGREES if ablation["flipped"] > 0 else NOT


def variances(found: Recordings) -> tuple[str, str] | None:
    if found.sinks is None:
        return None
    temporal = pairs(found.sinks, lambda lane: lane.temporal_variance)
    spatial = pairs(found.sinks, lambda lane: lane.spatial_variance)
    if temporal is None or spatial is None:
        return None
    shows = (
        f"Temporal variance {words(over(temporal[0]), 0)} tokens² under diffusion, {words(over(temporal[1]), 2)} autoregressively; spatial "
        f"variance {words(over(spatial[0]), 2)} and {words(over(spatial[1]), 2)}; mean over {temporal.shape[1]} prompts."
    )
    wanders = over(temporal[0] - temporal[1]).low > 0 and temporal[0].mean() > MUCH * temporal[1].mean()
    return shows, _both(wanders, over(spatial[1] - spatial[0]).low > 0)


def drifts(found: Recordings) -> tuple[str, str] | None:
    values = found.sinks and pairs(found.sinks, drift)
    if values is None:
        return None
    diffusion, causal = over(values[0]), over(values[1])
    shows = (
        f"From the first to the last quarter of the steps the centre of the sinks goes {words(diffusion, sign=True)} tokens under "
        f"diffusion and {words(causal, sign=True)} autoregressively; mean over {values.shape[1]} prompts."
    )
    return shows, _both(diffusion.low > 0, abs(causal.mean) < FLAT)


def unstructured(found: Recordings) -> tuple[str, str] | None:
    return _against_official(found, lambda gain: "structured" not in gain["variant"])


def structured(found: Recordings) -> tuple[str, str] | None:
    return _against_official(found, lambda gain: gain["variant"] == "sink-structured")


def _against_official(found: Recordings, wanted: Callable[[dict], bool]) -> tuple[str, str] | None:
    gains = [gain for gain in (found.table or {}).get("gains", []) if gain["kind"] == "official" and wanted(gain)]
    if not gains:
        return None
    counts = {verdict: sum(gain["verdict"] == verdict for gain in gains) for verdict in ("win", "tie", "loss")}
    best, worst = (pick(gains, key=lambda gain: gain["gain"][0]) for pick in (max, min))
    shows = (
        f"Bits per token saved against the official baseline: {counts['win']} wins, {counts['tie']} ties, {counts['loss']} losses of "
        f"{len(gains)}. Best: {_gain_words(best)}; worst: {_gain_words(worst)}."
    )
    if not counts["loss"]:  # a tie whose interval is wide is no proof of "as good as"
        return shows, AGREES if 2 * counts["win"] >= len(gains) else PART
    return shows, PART if counts["win"] + counts["tie"] > counts["loss"] else NOT


def _gain_words(gain: dict) -> str:
    return f"{gain['variant']} at {percent(gain['sparsity'])} {words(gain['gain'], 3, sign=True)}"


def growth(found: Recordings) -> tuple[str, str] | None:
    grows, said = [], []
    for variant in ("sink-wanda", "sink-sparsegpt"):
        gains = sorted(
            (g for g in (found.table or {}).get("gains", []) if (g["variant"], g["kind"]) == (variant, "official")),
            key=lambda gain: gain["sparsity"],
        )
        if len(gains) < 2:
            return None
        least, most = gains[0], gains[-1]
        grows.append(most["gain"][1] > least["gain"][2] and most["gain"][1] > 0)
        said.append(
            f"{variant}: {words(least['gain'], 3, sign=True)} at {percent(least['sparsity'])}, {words(most['gain'], 3, sign=True)} at "
            f"{percent(most['sparsity'])}"
        )
    return f"Bits per token saved against the official baseline. {'; '.join(said)}.", _both(*grows)


def alignment(found: Recordings) -> tuple[str, str] | None:
    if found.heads is None:
        return None
    wanda, alone, sparsegpt = (pair["alignment"] for pair in _pairs_of_heads(found.heads))
    if None in (wanda, alone, sparsegpt):
        return None
    shows = (
        f"Correlation over {found.heads['heads']} heads of sink strength and changed decisions: {words(wanda, 2, sign=True)} for Wanda "
        f"({words(alone, 2, sign=True)} where only the sink weight differs), {words(sparsegpt, 2, sign=True)} for SparseGPT."
    )
    return shows, _both(min(wanda[1], alone[1]) > 0, min(wanda[0], alone[0]) > sparsegpt[0], wanda[1] > 0)


def ratio_changes(found: Recordings) -> tuple[str, str] | None:
    if found.heads is None:
        return None
    wanda, alone, sparsegpt = ([100 * value for value in pair["moved"]] for pair in _pairs_of_heads(found.heads))
    shows = (
        f"Mean change of a head's sparsity, in percentage points over {found.heads['heads']} heads: {words(wanda, 2)} for Wanda "
        f"({words(alone, 2)} where only the sink weight differs), {words(sparsegpt, 2)} for SparseGPT."
    )
    return shows, _both(sparsegpt[2] < wanda[1], sparsegpt[2] < alone[1])


def _pairs_of_heads(heads: dict) -> list[dict]:
    """Sink-wanda against the official Wanda and against its own ablation, sink-sparsegpt against sparsegpt, which is both."""
    kinds = ("wanda", "sink-wanda, weight 1", "sparsegpt")
    return [next(pair for pair in heads["pairs"] if pair["against"] == kind) for kind in kinds]


def covering(found: Recordings) -> tuple[str, str] | None:
    lost = one_covered(found.covering)
    if lost is None:
        return None
    shows = (
        f"Covering the leading token costs {words(lost['dlm', 'leading'], 2, sign=True)} bits per token under diffusion and "
        f"{words(lost['ar', 'leading'], 2, sign=True)} autoregressively; a random token "
        f"{words(lost['dlm', 'random'], 2, sign=True)} and {words(lost['ar', 'random'], 2, sign=True)}."
    )
    more = lost["ar", "leading"][1] > lost["dlm", "leading"][2]
    minor = lost["dlm", "leading"][1] <= lost["dlm", "random"][2]
    return shows, _both(more, minor)


def _both(*parts: bool) -> str:
    """All parts of a claim hold, some do, or none."""
    return AGREES if all(parts) else PART if any(parts) else NOT
