"""Every method at one sparsity on one prompt: what each pruned copy writes, and numbers that say what the pruning cost.

`compare_all` yields the dense model's row first and then a row as soon as a method is finished, with signs of life in between. A method
that cannot do what was asked gives a `Refusal` and costs nobody else's row. Closing the generator stops it, also inside a prune.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import torch

from sinkprune.decoding import DecodeConfig, Step, denoise
from sinkprune.lab.likelihood import ANSWER_DRAWS, Estimate, answer_likelihood
from sinkprune.lab.overlap import agreement, answer_end, repeated_ngrams
from sinkprune.models import LoadedModel, decode_answer
from sinkprune.pruning import CalibrationConfig, PruneConfig, PruneProgress, PruneResult
from sinkprune.pruning.methods import RECORDS
from sinkprune.traces.runs import check_prompt

# The quickest first; of two that read as much text, the one that inverts a Hessian last.
ORDER = tuple(method.name for method in sorted(RECORDS, key=lambda method: (method.passes, method.second_order)))

Prune = Callable[[PruneConfig, CalibrationConfig], Iterator[PruneProgress | PruneResult]]


@dataclass(frozen=True)
class Underway:
    """What goes on. doing: "pruning" (with its progress), "writing" (with the forwards so far) or "measuring"."""

    method: str
    doing: str
    progress: PruneProgress | None = None
    forwards: int = 0


@dataclass(frozen=True)
class Refusal:
    """A method that cannot prune what was asked, and why, in a sentence."""

    method: str
    sentence: str


@dataclass(frozen=True)
class MethodRow:
    """One pruned copy's answer in numbers; method "dense": the whole model's.

    tokens: up to the end of the answer, the end token included. nats: per token of the dense model's answer, under this copy (mean over
    `ANSWER_DRAWS` draws of masks, the same for all copies); above_dense and its standard error: the paired difference to the dense model.
    own_nats: per token of this text under the dense model. agreement: share of tokens equal to the dense model's at the same position.
    repeated: share of repeated 4-grams. achieved: zeros, or removed weights, / weights of the pruned linears. prune_seconds: when the
    copy was made, maybe for somebody else; recorded: without measuring the dense model, see `PruneResult`. megabytes: of all weights
    while it writes, zeros included.
    """

    method: str
    text: str
    tokens: int
    nats: float
    above_dense: float
    error: float
    own_nats: float
    agreement: float
    repeated: float
    forwards: int
    write_seconds: float
    prune_seconds: float
    achieved: float
    megabytes: float
    recorded: bool = False


def compare_all(
    dense: LoadedModel,
    prompt: str,
    config: DecodeConfig,
    pruning: PruneConfig,
    calibration: CalibrationConfig,
    prune: Prune,
    methods: Sequence[str] = ORDER,
) -> Iterator[Underway | Refusal | MethodRow]:
    """See the module. pruning: what all methods are asked for; its method is replaced by each of `methods`.

    prune: gives a copy's progress and, last, the copy, such as a store does. Raises ValueError at the call: see `check_prompt`.
    """
    return _rows(dense, check_prompt(dense, prompt, config.gen_length), config, pruning, calibration, prune, methods)


def _rows(dense, prompt_ids, config, pruning, calibration, prune, methods) -> Iterator[Underway | Refusal | MethodRow]:
    answer, last = yield from _write("dense", dense, prompt_ids, config)
    written = torch.tensor(answer[: answer_end(answer, dense.spec.end_token_ids)])
    reference = _likelihood(dense, prompt_ids, written, config)
    yield _row("dense", dense, answer, answer, last, (reference, reference, reference))
    for method in methods:
        try:
            asked = dataclasses.replace(pruning, method=method)
            result = yield from prune_underway(prune, asked, calibration)
        except ValueError as error:
            yield Refusal(method, str(error))
            continue
        copy = result.loaded
        yield Underway(method, "measuring")
        under_copy = _likelihood(copy, prompt_ids, written, config)  # before writing is timed: it warms the copy up
        text, last = yield from _write(method, copy, prompt_ids, config)
        own = torch.tensor(text[: answer_end(text, dense.spec.end_token_ids)])
        likelihoods = (reference, under_copy, _likelihood(dense, prompt_ids, own, config))
        yield _row(method, copy, text, answer, last, likelihoods, result)


def prune_underway(
    prune: Prune, pruning: PruneConfig, calibration: CalibrationConfig
) -> Generator[Underway, None, PruneResult]:
    """Passes on the progress of one prune and returns its result."""
    with closing(prune(pruning, calibration)) as steps:
        for step in steps:
            if isinstance(step, PruneResult):
                return step
            yield Underway(pruning.method, "pruning", step)
    raise RuntimeError("pruning ended without a result")


def _write(
    method: str, loaded: LoadedModel, prompt_ids: torch.Tensor, config: DecodeConfig
) -> Generator[Underway, None, tuple[list[int], Step]]:
    """Returns the answer's token ids, with what follows its end, and the last step."""
    with closing(denoise(loaded, prompt_ids, config)) as steps:
        for step in steps:
            yield Underway(method, "writing", forwards=step.nfe)
    return step.canvas[0, prompt_ids.shape[1] :].tolist(), step


def _likelihood(loaded: LoadedModel, prompt_ids: torch.Tensor, answer: torch.Tensor, config: DecodeConfig) -> Estimate:
    return answer_likelihood(loaded, prompt_ids, answer, draws=ANSWER_DRAWS, seed=config.seed)


def _row(
    method: str,
    loaded: LoadedModel,
    answer: list[int],
    dense_answer: list[int],
    last: Step,
    likelihoods: tuple[Estimate, Estimate, Estimate],
    result: PruneResult | None = None,
) -> MethodRow:
    """likelihoods: of the dense answer under the dense model and under the copy, of the copy's answer under the dense model."""
    ends = loaded.spec.end_token_ids
    reference, under_copy, own = likelihoods
    above = Estimate(under_copy.values - reference.values)
    tokens = answer_end(answer, ends)
    return MethodRow(
        method=method,
        text=decode_answer(loaded, answer),
        tokens=tokens,
        nats=under_copy.mean,
        above_dense=above.mean,
        error=above.standard_error,
        own_nats=own.mean,
        agreement=agreement(answer, dense_answer, ends),
        repeated=repeated_ngrams(answer[:tokens]),
        forwards=last.nfe,
        write_seconds=last.seconds,
        prune_seconds=result.seconds if result else 0.0,
        recorded=result.recorded if result else False,
        achieved=result.sparsity if result else 0.0,
        megabytes=sum(parameter.nbytes for parameter in loaded.model.parameters()) / 2**20,
    )
