"""A recorded run as a viewer sees it: which token leads when, what stood there, when it was written; words for tokens and places."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from sinkprune.traces.sink_statistics import LaneStatistics, layer_statistics, trace_statistics

END_TOKENS = frozenset(("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "</s>", "<eos>"))
_SPECIAL = re.compile(r"<\|?([\w-]{1,40})\|?>")


@dataclass(frozen=True)
class Reign:
    """A position that leads, as a sink, from step `first` to step `last` without a break (steps from 0)."""

    position: int
    first: int
    last: int


class Watched:
    """A finished trace whose first lane is written by diffusion; statistics are measured when asked for.

    texts: position -> token text at the end. written: position -> step that wrote it, -1 for the prompt.
    """

    def __init__(self, trace: dict) -> None:
        self.trace = trace
        self.lane = trace["lanes"][0]
        self.frames = self.lane["frames"]
        self.steps = len(self.frames)
        self.layers = trace["model"]["layers"]
        self.texts = dict(enumerate(self.lane["tokens"]))
        self.written = dict.fromkeys(self.texts, -1)
        for step, frame in enumerate(self.frames):
            entries = [*frame["committed"], *frame.get("filled", ())]
            self.texts |= {position: text for position, _, text, *_ in entries}
            self.written |= {position: step for position, *_ in entries}

    @cached_property
    def _measured(self) -> dict[tuple[str, int | None], LaneStatistics]:
        lanes = [*trace_statistics(self.trace), *layer_statistics(self.trace)]
        return {(lane.kind, lane.layer): lane for lane in lanes}

    def diffusion(self, layer: int | None) -> LaneStatistics:
        return self._measured["dlm", layer]

    def causal(self, layer: int | None) -> LaneStatistics | None:
        """The autoregressive lane, None where there is none."""
        return self._measured.get(("ar", layer))

    def reigns(self, layer: int | None) -> list[Reign]:
        """Who led and when under diffusion; steps without a sink are left out and end nothing."""
        lane, found = self.diffusion(layer), []
        for step, leader in enumerate(lane.leaders.tolist()):
            if not lane.sinks[step].any():
                continue
            if found and found[-1].position == leader:
                found[-1] = Reign(leader, found[-1].first, step)
            else:
                found.append(Reign(leader, step, step))
        return found

    def is_mask(self, position: int, step: int) -> bool:
        """Whether the forward pass of that step read a mask there."""
        return self.written[position] >= step

    def token(self, position: int) -> str:
        """The token that stands there at the end, in words."""
        return token_words(self.texts[position], position)

    def token_at(self, position: int, step: int) -> str:
        """What the forward pass of that step read there, in words."""
        return f"the mask at position {position}" if self.is_mask(position, step) else self.token(position)


def token_words(text: str, position: int) -> str:
    """A token inside a sentence."""
    if text in END_TOKENS:
        return "the begin mark" if position == 0 else f"the end mark at position {position}"
    special = _SPECIAL.fullmatch(text)
    if special:
        return f"the mark “{special[1]}”"
    if text.strip():
        return f"“{text.strip()}”"
    return f"the {'line break' if chr(10) in text else 'space'} at position {position}"


def is_special(text: str) -> bool:
    """Whether a token belongs to the frame around the text: end, begin and turn marks."""
    return text in END_TOKENS or _SPECIAL.fullmatch(text) is not None


def where(layer: int | None) -> str:
    """The beginning of a sentence about a layer (from 0) or the mean."""
    return "Averaged over all layers" if layer is None else f"Layer {layer + 1}"


def times(count: int) -> str:
    """1 -> "once", 2 -> "twice", 3 -> "3 times"."""
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def listed(words: list[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
