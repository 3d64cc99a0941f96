"""A finished comparison in numbers: what the dense and the pruned model cost, and how likely each finds the other's answer."""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import asdict, dataclass

import torch

from sinkprune.decoding import DecodeConfig
from sinkprune.lab.card import RunCard, run_card, threads
from sinkprune.lab.likelihood import ANSWER_DRAWS, ANSWER_LEVELS, answer_likelihood, paired_difference
from sinkprune.lab.overlap import agreement, answer_end, repeated_ngrams
from sinkprune.models import LoadedModel
from sinkprune.pruning import CalibrationConfig, PruneConfig, PruneResult
from sinkprune.pruning.methods import BY_NAME, Method
from sinkprune.traces.numbers import bits, percent, signed
from sinkprune.traces.parting import Divergence, answer_ids, first_divergence

LIKELIHOOD = f"""Bits per token: cross-entropy of masked answer tokens, mean over {len(ANSWER_LEVELS)} mask levels with {ANSWER_DRAWS} draws
each, the same masks for both models; ± is the standard error over the draws: how far other masks may move it."""
TURNS = """Both lanes took turns on this machine; each time is that lane's own, after one untimed forward pass of the same shape, with
recording the attention."""

MEANINGS = {
    "Forward passes": "how often the model ran: the work of writing, on any machine",
    "Seconds": "computing time of this lane alone, after a warm-up",
    "Tokens per second": "positions filled a second, end marks included",
    "Milliseconds per forward pass": "how long the model takes to run once",
    "Weights set to zero": "share of the weights in the layers",
    "Weights removed": "share of the layers' weights that left the model",
    "Parameters": "all numbers in the model, zeros included",
    "Bits per token, dense answer": "how surprising this model finds what the dense one wrote: lower is likelier",
    "Bits per token, pruned answer": "the same for what the pruned one wrote",
    "Repeated 4-grams": "four tokens in a row that stood there before: many where it goes in circles",
}


@dataclass(frozen=True)
class ComparedNumber:
    """One number of both lanes, written out, and what it means in plain words."""

    name: str
    meaning: str
    dense: str
    pruned: str


@dataclass(frozen=True)
class Comparison:
    """nats_dense_answer, nats_pruned_answer: (under the dense, under the pruned model), per token. repeated: share of repeated 4-grams.

    error_dense_answer, error_pruned_answer: the standard errors of these, over draws of masks.
    interval_dense_answer, interval_pruned_answer: 95 % interval of the second minus the first, paired by draws of masks.
    agreement: share of equal tokens at equal positions. parting: where both lanes first hold different tokens, None where they never do.
    """

    prompt: str
    dense: RunCard
    pruned: RunCard
    nats_dense_answer: tuple[float, float]
    nats_pruned_answer: tuple[float, float]
    error_dense_answer: tuple[float, float]
    error_pruned_answer: tuple[float, float]
    interval_dense_answer: tuple[float, float]
    interval_pruned_answer: tuple[float, float]
    repeated: tuple[float, float]
    agreement: float
    parting: Divergence | None

    def as_dict(self) -> dict:
        """JSON values only."""
        return asdict(self)

    @property
    def method(self) -> Method:
        """How the copy was pruned."""
        return BY_NAME[self.pruned.method]

    @property
    def title(self) -> str:
        """The copy in a few words."""
        return f"{self.pruned.method}, {percent(self.pruned.sparsity_asked)}"

    def rows(self) -> list[ComparedNumber]:
        """Every number, forward passes first."""
        cards = (self.dense, self.pruned)
        cut = "Weights removed" if self.method.structured else "Weights set to zero"
        numbers = {
            "Forward passes": [str(card.forwards) for card in cards],
            "Seconds": [f"{card.seconds:.2f}" for card in cards],
            "Tokens per second": [f"{card.tokens_per_second:.1f}" for card in cards],
            "Milliseconds per forward pass": [f"{1000 * card.seconds / card.forwards:.0f}" for card in cards],
            cut: [percent(card.sparsity_achieved, 2) for card in cards],
            "Parameters": [f"{card.parameters / 1e6:.1f} M" for card in cards],
            "Bits per token, dense answer": _with_errors(self.nats_dense_answer, self.error_dense_answer),
            "Bits per token, pruned answer": _with_errors(self.nats_pruned_answer, self.error_pruned_answer),
            "Repeated 4-grams": [percent(share) for share in self.repeated],
        }
        return [ComparedNumber(name, MEANINGS[name], *values) for name, values in numbers.items()]

    def sentences(self) -> list[str]:
        """What the table does not say, and how it was measured."""
        seed, samples = self.dense.decoding["seed"], self.pruned.calibration["samples"]
        source = f"calibrated on {samples} sequences" if self.method.reads_text else "no calibration"
        parts = (
            f"Both first hold words that differ at step {self.parting.step + 1}, position {self.parting.position}."
            if self.parting
            else "They never differ."
        )
        return [
            f"{percent(self.agreement)} of the answer's positions hold the same token. {parts} Both started from the same masked canvas "
            f"with seed {seed}; {source}; {self.pruned.prune_words} "
            f"on {self.pruned.device}, {threads(self.pruned.threads)}.",
            self._differences(),
            " ".join(f"{LIKELIHOOD} {TURNS} On speed: {self.method.speed}.".split()),
        ]

    def as_markdown(self) -> str:
        """The table, how it was measured, and both cards in full."""
        head = f"| | Dense | {self.title} |\n|:--|--:|--:|"
        table = "\n".join([head, *(f"| {row.name} | {row.dense} | {row.pruned} |" for row in self.rows())])
        return "\n\n".join([f"Prompt: {code(self.prompt)}", table, *self.sentences(), self.record()]) + "\n"

    def record(self) -> str:
        """Both cards in full, as Markdown."""
        return f"**Dense**\n\n{self.dense.as_markdown()}\n\n**Pruned**\n\n{self.pruned.as_markdown()}"

    def _differences(self) -> str:
        """How much less likely the pruned model finds each answer, on the same masks, and where that is not shown."""
        found = [
            f"{signed(bits(second - first))} on the {name} answer "
            f"(95 % interval {signed(bits(low))} to {signed(bits(high))}{_unclear(low, high)})"
            for name, (first, second), (low, high) in (
                ("dense", self.nats_dense_answer, self.interval_dense_answer),
                ("pruned", self.nats_pruned_answer, self.interval_pruned_answer),
            )
        ]
        return f"Bits per token that the pruned model needs more, on the same masks: {found[0]}, {found[1]}."


def _unclear(low: float, high: float) -> str:
    return ": no difference is shown" if low <= 0 <= high else ""


def _with_errors(nats: tuple[float, float], errors: tuple[float, float]) -> list[str]:
    return [f"{bits(value):.2f} ± {bits(error):.2f}" for value, error in zip(nats, errors, strict=True)]


def code(text: str) -> str:
    """Any text as inline code of Markdown, on one line: no character of it is read as markup."""
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence} {' '.join(text.split())} {fence}"


def measure(
    dense: LoadedModel,
    result: PruneResult,
    trace: dict,
    config: DecodeConfig,
    pruning: PruneConfig,
    calibration: CalibrationConfig,
) -> Comparison:
    """Measure a finished `traces.runs.compare_run`. See `measure_steps`."""
    steps = measure_steps(dense, result, trace, config, pruning, calibration)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return done.value


def measure_steps(
    dense: LoadedModel,
    result: PruneResult,
    trace: dict,
    config: DecodeConfig,
    pruning: PruneConfig,
    calibration: CalibrationConfig,
) -> Generator[int, None, Comparison]:
    """Four likelihoods of twenty masked copies each: yields how many are known, so that whoever waits can leave; returns the comparison."""
    spec, (first, second) = dense.spec, trace["lanes"]
    answers = [answer_ids(lane, spec.mask_token_id) for lane in (first, second)]
    written = [ids[: answer_end(ids, spec.end_token_ids)] for ids in answers]
    prompt_ids = torch.tensor([first["ids"]])
    found = [[], []]
    for estimates, ids in zip(found, written, strict=True):
        for model in (dense, result.loaded):
            yield len(found[0]) + len(found[1])
            estimates.append(
                answer_likelihood(model, prompt_ids, torch.tensor([ids]), draws=ANSWER_DRAWS, seed=config.seed)
            )
    nats = [tuple(estimate.mean for estimate in pair) for pair in found]
    errors = [tuple(estimate.standard_error for estimate in pair) for pair in found]
    intervals = [(difference.low, difference.high) for difference in (paired_difference(*pair) for pair in found)]
    return Comparison(
        trace["prompt"],
        run_card(dense, first, config),
        run_card(result.loaded, second, config, result, pruning, calibration),
        *nats,
        *errors,
        *intervals,
        (repeated_ngrams(written[0]), repeated_ngrams(written[1])),
        agreement(*answers, spec.end_token_ids),
        first_divergence(first, second),
    )
