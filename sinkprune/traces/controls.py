"""What stands beside a changed run: the same run untouched, and one changed at random at the same budget."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sinkprune.decoding import Cover, DecodeConfig, LeaveOutHeads
from sinkprune.traces.numbers import percent

TITLES = {"dlm": "Diffusion", "ar": "Autoregressive"}


@dataclass(frozen=True)
class Change:
    """What is changed while one lane of a run writes."""

    title: str
    config: DecodeConfig
    intervention: Cover | LeaveOutHeads | None = None


def changes_of(
    kind: str, config: DecodeConfig, intervention: Cover | LeaveOutHeads | None, controls: bool
) -> list[Change]:
    """The lanes of one kind ("dlm" or "ar"). controls: untouched, changed, and changed at random at the same budget; else one lane.

    An intervention is controlled by random columns or heads, a sparse cache by random keys; its untouched lane keeps all keys ("dual").
    A choice that is random already has no third lane. Raises ValueError where nothing is changed.
    """
    sparse = config.cache == "sparse" and kind == "dlm"
    if not controls:
        return [Change(TITLES[kind], config, intervention)]
    if isinstance(intervention, Cover):
        words, random = "Covered", intervention.which == "random"
        control = Change(
            "Random tokens covered",
            config,
            replace(intervention, which="random", count=covered(intervention), positions=()),
        )
    elif isinstance(intervention, LeaveOutHeads):
        words, random = f"Heads left out, {intervention.which} first", intervention.which == "random"
        control = Change("Random heads left out", config, replace(intervention, which="random"))
    elif sparse:
        words, random = f"{percent(config.retention)} of keys kept", config.keep == "random"
        untouched = replace(
            config, cache="dual", retention=DecodeConfig.retention, kernel=1, delay=0, keep=DecodeConfig.keep
        )
        control = Change("Random keys kept", replace(config, keep="random", kernel=1))
        return [Change("All keys kept", untouched), *([] if random else [Change(words, config)]), control]
    else:
        raise ValueError("nothing is changed: cover tokens, leave out heads, or use the sparse cache")
    return [Change("Untouched", config), *([] if random else [Change(words, config, intervention)]), control]


def covered(cover: Cover) -> int:
    """How many columns a cover takes."""
    return len(cover.positions) or cover.count
