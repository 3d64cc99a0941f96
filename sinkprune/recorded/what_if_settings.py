"""The changes of attention that `recorded.what_if` measures, and how: every setting of the cache, of a cover and of heads left out.

A setting has a key, the name of its numbers in the file. The same prompts, masks and dense answers serve all of them, so all are paired.
"""

from __future__ import annotations

from dataclasses import dataclass

from sinkprune.decoding import DecodeConfig
from sinkprune.decoding.eviction import POLICIES
from sinkprune.decoding.interventions import HEADS, Cover, Intervention, LeaveOutHeads

RETENTIONS = (0.5, 0.25, 0.125)
COUNTS = (1, 3, 5)
COLUMNS = ("leading", "random", "least")
HEAD_SHARES = (0.1, 0.25)
DENSE = "dense"


@dataclass(frozen=True)
class Protocol:
    """What is measured for every prompt.

    gen_length: tokens of the dense answer, written greedily in blocks of block_length with threshold 0.9 and dual cache.
    scored: how many of them are scored under covers, the same in both lanes. texts: prompts whose texts are also written under each change.
    """

    prompts: int = 64
    gen_length: int = 96
    block_length: int = 32
    scored: int = 48
    texts: int = 6

    @property
    def decoding(self) -> DecodeConfig:
        return DecodeConfig(self.gen_length, self.block_length, threshold=0.9, cache="dual")


@dataclass(frozen=True)
class Cut:
    """One way to choose what a sparse cache keeps."""

    keep: str
    retention: float
    kernel: int = 1
    delay: int = 0

    @property
    def key(self) -> str:
        return f"{self.policy} {self.retention:g}"

    @property
    def policy(self) -> str:
        return (
            self.keep
            if self.kernel == 1 and not self.delay
            else f"{self.keep}, kernel {self.kernel}, delay {self.delay}"
        )


@dataclass(frozen=True)
class Change:
    """One intervention in one lane ("dlm" or "ar")."""

    lane: str
    asked: Intervention
    share: float = 0.0  # of all heads, where heads are left out

    @property
    def key(self) -> str:
        if isinstance(self.asked, LeaveOutHeads):
            return f"heads {self.asked.which} {self.share:g}"
        return f"cover {self.asked.which} {self.asked.count} {self.scope}"

    @property
    def scope(self) -> str:
        """How the covered columns are chosen, in a word."""
        if self.asked.protocol == "paper":
            return "paper"
        return "per head" if self.asked.per_head else "everywhere"


def cuts() -> list[Cut]:
    """Every policy at every retention, and Sparse-dLLM's with the defaults of its code; two ends: nothing dropped, nothing kept."""
    ours = [Cut(keep, retention) for retention in RETENTIONS for keep in POLICIES]
    official = [Cut("official", retention, kernel=3, delay=1) for retention in RETENTIONS]
    return [Cut("attention", 1.0), *ours, Cut("attention", 0.0), Cut("official", 1.0, kernel=3, delay=1), *official]


def covers(lane: str) -> list[Change]:
    """Sinks and their controls, per head and everywhere, both lanes alike; for the autoregressive lane the paper's protocol besides."""
    alike = [
        Change(lane, Cover(which, count, per_head=per_head))
        for per_head in (True, False)
        for which in (COLUMNS if per_head else COLUMNS[:2])
        for count in COUNTS
    ]
    paper = [Change(lane, Cover("leading", count, protocol="paper")) for count in COUNTS] if lane == "ar" else []
    return alike + paper


def head_cuts(heads: int) -> list[Change]:
    """Heads left out in the diffusion lane, of `heads` in all layers."""
    return [
        Change("dlm", LeaveOutHeads(which, max(1, round(share * heads))), share)
        for share in HEAD_SHARES
        for which in HEADS
    ]


def text_changes() -> list[Change | Cut]:
    """What is written under, both lanes: few, because each costs a whole generation."""
    return [
        *(Change("dlm", Cover(which, count)) for which, count in (("leading", 1), ("leading", 5), ("random", 5))),
        Cut("attention", 0.25),
        Cut("random", 0.25),
        *(Change("ar", Cover(which, count)) for which, count in (("leading", 1), ("leading", 5), ("random", 5))),
        Change("ar", Cover("leading", 5, protocol="paper")),
    ]
