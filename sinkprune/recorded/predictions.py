"""Predict, then reveal: the guide's three questions, with the answer that this model's recordings give.

Which option is right is computed, never typed, so it may differ from the paper's. A prediction is {"question",
"options": [{"name", "text"}], "right" (a name),
"shows" (sentences with the numbers and their 95 % intervals)}; None where nothing was recorded to answer it.
"""

from __future__ import annotations

from sinkprune.recorded.claim_verdicts import Recordings, over, pairs, words
from sinkprune.recorded.covering import one_covered
from sinkprune.traces.numbers import percent


def predictions(found: Recordings) -> dict[str, dict | None]:
    """Card number (as text, for JSON) -> its prediction."""
    return {"3": _moving(found), "6": _helping(found), "7": _covering(found)}


def _prediction(question: str, options: dict[str, str], right: str, shows: str) -> dict:
    listed = [{"name": name, "text": text} for name, text in options.items()]
    return {"question": question, "options": listed, "right": right, "shows": shows}


def _moving(found: Recordings) -> dict | None:
    values = found.sinks and pairs(found.sinks, lambda lane: lane.moves)
    if values is None:
        return None
    moved = values >= 1
    both = bool(moved[0].mean() > 0.5), bool(moved[1].mean() > 0.5)
    right = {(True, False): "diffusion", (True, True): "both", (False, False): "neither", (False, True): "ar"}[both]
    prompts = values.shape[1]
    return _prediction(
        "The same weights write the same prompt in two ways. In which lane will the leading sink move to another token?",
        {
            "diffusion": "Only under diffusion",
            "ar": "Only autoregressively, left to right",
            "both": "In both lanes",
            "neither": "In neither lane",
        },
        right,
        f"In {int(moved[0].sum())} of {prompts} recorded prompts it moved under diffusion, {words(over(values[0]))} times a run on "
        f"average; autoregressively in {int(moved[1].sum())} of {prompts}. In brackets: 95 % interval.",
    )


def _helping(found: Recordings) -> dict | None:
    gains = [gain for gain in (found.table or {}).get("gains", []) if gain["kind"] == "ablation"]
    if not gains:
        return None
    counts = {verdict: sum(gain["verdict"] == verdict for gain in gains) for verdict in ("win", "tie", "loss")}
    most = max(counts, key=counts.get)
    right = most if 2 * counts[most] > len(gains) else "mixed"
    certain = [gain for gain in gains if gain["verdict"] != "tie"]
    largest = max(certain, key=lambda gain: abs(gain["gain"][0]), default=None)
    effect = "No effect was larger than the uncertainty."
    if largest:
        effect = (
            f"The largest certain effect, bits per token saved (below 0: lost): {words(largest['gain'], 3, sign=True)}, "
            f"{largest['variant']} at {percent(largest['sparsity'])}."
        )
    return _prediction(
        "Two pruned copies differ in one thing: whether sinks were weighted down. Which copy predicts held-out text better?",
        {
            "win": "The one with sinks weighted down, mostly",
            "loss": "The one without, mostly",
            "tie": "Mostly no difference that can be told from chance",
            "mixed": "It depends on method and sparsity",
        },
        right,
        f"In {len(gains)} comparisons on this model the sink weight wins {counts['win']}, ties {counts['tie']} and loses {counts['loss']}. "
        f"{effect} In brackets: 95 % interval.",
    )


def _covering(found: Recordings) -> dict | None:
    lost = one_covered(found.covering)
    if lost is None:
        return None
    dlm, ar = lost["dlm", "leading"], lost["ar", "leading"]
    right = "ar" if ar[1] > dlm[2] else "dlm" if dlm[1] > ar[2] else "same"
    return _prediction(
        "At every step the token that receives most attention is covered: nobody may look at it. Which lane loses more?",
        {
            "ar": "Autoregressive writing",
            "dlm": "Diffusion",
            "same": "About the same: the difference cannot be told from chance",
        },
        right,
        f"Covering the leading token costs {words(dlm, 2, sign=True)} bits per token under diffusion and {words(ar, 2, sign=True)} "
        f"autoregressively. Covering a random token costs {words(lost['dlm', 'random'], 2, sign=True)} and "
        f"{words(lost['ar', 'random'], 2, sign=True)}. In brackets: 95 % interval.",
    )
