"""A sweep over sparsities: bits per token under pruned copies, live, beside the recorded table (recorded.table_summary).

A `Ruler` is scored: either the dense model's answer to one prompt, or the teacher's answers to some of the held-out prompts.
Every copy sees the same masks, so differences to the dense model are paired. `sweep` yields a point as soon as it is measured, with signs
of life in between; a method that cannot reach a sparsity gives a `Refusal`. Closing the generator stops it, also inside a prune.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sinkprune.decoding import DecodeConfig, generate
from sinkprune.lab.all_methods import Prune, Refusal, Underway, prune_underway
from sinkprune.lab.likelihood import ANSWER_DRAWS, Estimate, LikelihoodConfig, answer_likelihood, masked_likelihood
from sinkprune.lab.overlap import answer_end
from sinkprune.lab.texts import held_out_texts
from sinkprune.models import LoadedModel
from sinkprune.pruning import CalibrationConfig, PruneConfig
from sinkprune.traces.runs import check_prompt

TEXTS = 32  # held-out answers, one mask each: the first of the table's texts and masks
MAX_POINTS = 24
MAX_SECONDS = 300.0  # a sweep ends with the point during which this is over: others wait for the model meanwhile

Ruler = Callable[[LoadedModel], Estimate]


@dataclass(frozen=True)
class SweepPoint:
    """Bits per token under one copy: mean over texts, or over draws of masks; above_dense: paired difference, with its standard error."""

    method: str
    sparsity: float
    bits: float
    above_dense: float
    error: float
    achieved: float
    prune_seconds: float


@dataclass(frozen=True)
class OutOfTime:
    """The sweep ended before its last point. missing: how many points were not measured."""

    missing: int


def prompt_ruler(dense: LoadedModel, prompt: str, config: DecodeConfig) -> Ruler:
    """Scores the answer that the dense model writes to this prompt (now). Raises ValueError: see `check_prompt`."""
    prompt_ids = check_prompt(dense, prompt, config.gen_length)
    answer = generate(dense, prompt_ids, config).tokens[0, prompt_ids.shape[1] :]
    answer = answer[: answer_end(answer.tolist(), dense.spec.end_token_ids)]
    return lambda loaded: answer_likelihood(loaded, prompt_ids, answer, draws=ANSWER_DRAWS, seed=config.seed)


def held_out_ruler(dense: LoadedModel, texts: int = TEXTS) -> Ruler:
    """Scores the teacher's answers to the first held-out prompts."""
    ids, starts = held_out_texts(dense)
    likelihood = LikelihoodConfig(patterns=1, batch_size=1)
    return lambda loaded: masked_likelihood(loaded, ids[:texts], likelihood, starts[:texts])


def sweep(
    dense: LoadedModel,
    ruler: Callable[[], Ruler],
    methods: Sequence[str],
    sparsities: Sequence[float],
    calibration: CalibrationConfig,
    prune: Prune,
    max_seconds: float = MAX_SECONDS,
) -> Iterator[Underway | Refusal | OutOfTime | SweepPoint]:
    """See the module. The first point is the dense model's ("dense", sparsity 0); then sparsity by sparsity, ascending.

    ruler: makes the ruler once the sweep runs. Raises ValueError at the call for too many points, or none.
    """
    plan = [(method, sparsity) for sparsity in sorted(set(sparsities)) for method in dict.fromkeys(methods)]
    if not plan:
        raise ValueError("choose at least one method and one sparsity")
    if len(plan) > MAX_POINTS:
        raise ValueError(
            f"{len(plan)} points are too many for one sweep: choose at most {MAX_POINTS} (methods x sparsities)"
        )
    return _points(dense, ruler, plan, calibration, prune, max_seconds)


def _points(dense, make_ruler, plan, calibration, prune, max_seconds):
    started = time.monotonic()
    yield Underway("dense", "measuring")
    ruler = make_ruler()
    reference = ruler(dense)
    yield SweepPoint("dense", 0.0, reference.bits, 0.0, 0.0, 0.0, 0.0)
    for number, (method, sparsity) in enumerate(plan):
        if time.monotonic() - started > max_seconds:
            yield OutOfTime(len(plan) - number)
            return
        try:
            result = yield from prune_underway(prune, PruneConfig(method, sparsity), calibration)
        except ValueError as error:
            yield Refusal(method, str(error))
            continue
        yield Underway(method, "measuring")
        estimate = ruler(result.loaded)
        above = Estimate(estimate.values - reference.values)
        yield SweepPoint(method, sparsity, estimate.bits, above.bits, above.bits_error, result.sparsity, result.seconds)
