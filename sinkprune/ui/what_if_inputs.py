"""The controls of "What if" by name, and how what a visitor chose becomes a `Request`; links use the same names.

Every function here raises ValueError with a sentence that tells what to change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sinkprune.decoding import Cover, DecodeConfig, LeaveOutHeads
from sinkprune.lab.request import Request
from sinkprune.traces.blanks import MOST_TOKENS, Blanks
from sinkprune.ui.inputs import BOUNDS, KEEPS, request_from

CHANGES = {
    "cover": "Cover the sinks",
    "keys": "Leave out keys and values",
    "heads": "Leave out heads",
    "blanks": "Fill in the blanks",
}
LANES = {"dlm": "diffusion", "ar": "autoregressive"}
COVERS = {"leading": "the leading sinks", "least": "the tokens looked at least", "random": "random tokens"}
WHERE = {"head": "each head its own", "all": "the same tokens everywhere"}
PROTOCOLS = {"alike": "as in the diffusion lane", "paper": "by the last row, as the paper does"}
HEADS = {"lowest": "weakest sink first", "highest": "strongest sink first", "random": "at random"}
MOST_COVERED, MOST_HEADS = 10, 64
WHAT_IF = {  # control -> what the page opens with
    "change": "cover",
    "lane": "dlm",
    "covered": "leading",
    "covered_count": 1,
    "covered_where": "head",
    "covered_protocol": "alike",
    "kept_share": 0.5,
    "kept_by": "attention",
    "heads": "lowest",
    "heads_count": 8,
    "blanks": "The sky is ___ because the light of the sun is ___ by the air.",
    "blank_tokens": 2,
}
USED = {  # change -> the controls that it reads
    "cover": ("lane", "covered", "covered_count", "covered_where", "covered_protocol"),
    "keys": ("kept_share", "kept_by"),
    "heads": ("lane", "heads", "heads_count"),
    "blanks": ("blanks", "blank_tokens"),
}
NUMBERS = {"covered_count": (1, MOST_COVERED), "heads_count": (1, MOST_HEADS), "blank_tokens": (1, MOST_TOKENS)}
CHOICES = {
    "change": CHANGES,
    "lane": LANES,
    "covered": COVERS,
    "covered_where": WHERE,
    "covered_protocol": PROTOCOLS,
    "kept_by": KEEPS,
    "heads": HEADS,
}


def what_if_from(values: Mapping[str, object], model: str | None = None) -> Request:
    """What the controls ask for. values: all of WHAT_IF, "prompt" and all of `inputs.DECODING`, by name.

    These runs are looked at closely: whoever touches a token chooses from the candidates.
    """
    chosen = {name: values[name] for name in WHAT_IF}
    check_what_if(chosen)
    change = chosen["change"]
    plain = {name: value for name, value in values.items() if name not in ("method", "both")} | {"closely": True}
    if change == "keys":
        kept = {"retention": chosen["kept_share"], "keep": chosen["kept_by"], "kernel": 1, "delay": 0}
        return replace(request_from(plain | {"cache": "sparse"} | kept, model), controls=True)
    asked = request_from(plain, model)
    seed = asked.decoding.seed
    if change == "blanks":
        return replace(asked, blanks=Blanks(chosen["blanks"], int(chosen["blank_tokens"])))
    if change == "heads":
        intervention = LeaveOutHeads(chosen["heads"], int(chosen["heads_count"]), seed)
    else:
        protocol = chosen["covered_protocol"] if chosen["lane"] == "ar" else "alike"
        per_head = chosen["covered_where"] == "head"
        intervention = Cover(chosen["covered"], int(chosen["covered_count"]), per_head, (), protocol, seed)
    return replace(asked, intervention=intervention, controls=True, lanes=(chosen["lane"],))


def what_if_values(asked: Request) -> dict:
    """The controls that a request of `what_if_from` was made of: those that its change reads, by name."""
    changed = asked.intervention
    if asked.blanks is not None:
        return {"change": "blanks", "blanks": asked.blanks.text, "blank_tokens": asked.blanks.tokens}
    if isinstance(changed, LeaveOutHeads):
        return {"change": "heads", "lane": asked.lanes[0], "heads": changed.which, "heads_count": changed.count}
    if changed is None:
        return {"change": "keys", "kept_share": asked.decoding.retention, "kept_by": asked.decoding.keep}
    return {
        "change": "cover",
        "lane": asked.lanes[0],
        "covered": changed.which,
        "covered_count": changed.count,
        "covered_where": "head" if changed.per_head else "all",
        "covered_protocol": changed.protocol,
    }


def decoding_shown(asked: Request) -> DecodeConfig:
    """The config as "How it writes" shows it: what "Leave out keys and values" sets is its own control's."""
    if asked.intervention is None and asked.blanks is None and asked.decoding.cache == "sparse":
        return replace(asked.decoding, cache="none", retention=0.5, kernel=1, delay=0, keep="attention")
    return asked.decoding


def check_what_if(values: Mapping[str, object]) -> None:
    """Raise ValueError where a value, by its control's name, is one that the page does not offer."""
    for name, offered in CHOICES.items():
        if not isinstance(values[name], str) or values[name] not in offered:
            raise ValueError(f"{name} must be one of {', '.join(offered)}, not {str(values[name])[:40]!r}")
    for name in USED[values["change"]]:
        if name in NUMBERS:
            _check_number(name, values[name], *NUMBERS[name], whole=True)
        if name == "kept_share":
            _check_number(name, values[name], *BOUNDS["retention"], whole=False)
    papers = values["change"] == "cover" and (values["lane"], values["covered_protocol"]) == ("ar", "paper")
    if papers and values["covered_where"] != "head":
        raise ValueError("the paper's protocol chooses for each head: choose each head its own")
    if values["change"] == "blanks":
        Blanks(values["blanks"], int(values["blank_tokens"]))


def _check_number(name: str, value: object, low: float, high: float, whole: bool) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not low <= value <= high or (whole and value != int(value)):
        kind = "a whole number" if whole else "a number"
        raise ValueError(f"{name} must be {kind} from {low} to {high}, not {str(value)[:40]}")
