"""prune_model: a pruned copy of a model. prune_steps: the same as a generator, for progress and cancelling.

Every method is one record (`pruning.methods`): its statistic, its cut, the text it reads and when. This module runs any of them.

The given model is never changed. Closing `prune_steps` early leaves nothing behind. Weights already zero count as pruned where a method
would choose them. At sparsity 0 and 1 there is nothing to choose and no text is run.
"""

from __future__ import annotations

import copy
import dataclasses
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from sinkprune.models import LoadedModel
from sinkprune.models.copies import copy_sharing_tensors
from sinkprune.pruning.calibration import calibration_set, noised
from sinkprune.pruning.cuts import Masks, cut_by_magnitude
from sinkprune.pruning.linears import Group, all_groups, check_prunable, input_groups
from sinkprune.pruning.measured import Measured, is_at_hand, measured_key
from sinkprune.pruning.measuring import (
    Totals,
    add_inputs,
    add_noised_inputs,
    batches,
    check_finite,
    mass_of_versions,
    measure_masked,
)
from sinkprune.pruning.methods import Method
from sinkprune.pruning.settings import (
    CalibrationConfig,
    LinearReport,
    PruneConfig,
    PruneProgress,
    PruneResult,
)
from sinkprune.pruning.token_weights import token_weights

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass
class _Job:
    """One running prune: what was asked, the copy being cut, and what came out so far."""

    loaded: LoadedModel
    config: PruneConfig
    ids: torch.Tensor | None  # (samples, T); None where no text is run
    seed: int
    started: float
    text: CalibrationConfig | None  # what made the ids; None where they were given
    measured: Measured
    recorded: bool = False  # whether statistics came with the project
    masks: Masks = field(default_factory=dict)
    reports: list[LinearReport] = field(default_factory=list)

    @property
    def method(self) -> Method:
        return self.config.record

    @property
    def layers(self) -> int:
        return len(self.loaded.model.model.layers)

    def progress(self, phase: str, layer: int | None, done: int, total: int, linears=()) -> PruneProgress:
        return PruneProgress(phase, layer, self.layers, tuple(linears), done, total, time.perf_counter() - self.started)


def prune_model(
    loaded: LoadedModel,
    config: PruneConfig,
    calibration: CalibrationConfig | None = None,
    calibration_ids: torch.Tensor | None = None,
    measured: Measured | None = None,
    in_place: bool = False,
) -> PruneResult:
    """Prune a copy of `loaded`. See `prune_steps` for arguments and errors."""
    for step in prune_steps(loaded, config, calibration, calibration_ids, measured, in_place):
        result = step
    return result


@torch.no_grad()  # on a generator: in force while it runs, not while its consumer does
def prune_steps(
    loaded: LoadedModel,
    config: PruneConfig,
    calibration: CalibrationConfig | None = None,
    calibration_ids: torch.Tensor | None = None,
    measured: Measured | None = None,
    in_place: bool = False,
) -> Iterator[PruneProgress | PruneResult]:
    """Prune a copy of `loaded` layer by layer: yields `PruneProgress` several times a layer and, last, the `PruneResult`.

    calibration_ids: LongTensor (samples, length) used instead of the built-in text; `calibration.seed` still seeds the noise.
    measured: statistics that earlier prunes took of the dense model; read, and filled for later ones, which then need not measure again
    for another sparsity. Models are told apart by their specs. The seconds of a prune count the measuring in either case, but for
    statistics that came with the project.
    in_place: cut `loaded` itself, for whoever has no use for the dense model any more; a prune that is cancelled leaves it half cut.
    Raises ValueError where the weights cannot be pruned (offloaded, quantised, NaN), the pattern does not fit, or the
    calibration is unusable.
    """
    started = time.perf_counter()
    calibration = calibration or CalibrationConfig()
    check_prunable(loaded.model, config.pattern)
    if loaded.spec.mask_token_id is None and config.record.noised:
        raise ValueError(
            f"{config.method!r} measures on masked text, and {loaded.spec.name!r} has no MASK: use a method that reads clean text"
        )
    given = calibration_ids is not None
    measured = {} if measured is None else measured
    known = not config.record.in_sequence and is_at_hand(measured, loaded.spec, config, calibration)
    ids = calibration_set(loaded, calibration, calibration_ids) if given or (config.reads_text and not known) else None
    # Each weight is copied when it is cut, so that two whole models stand in memory at the end only.
    pruned = loaded if in_place else dataclasses.replace(loaded, model=copy_sharing_tensors(loaded.model))
    text = None if given else calibration
    job = _Job(pruned, config, ids, calibration.seed, started, text, measured)
    yield from _steps(job)
    zeros = sum(report.sparsity * job.masks[report.name].numel() for report in job.reports)
    weights = sum(mask.numel() for mask in job.masks.values())
    if not in_place:
        pruned = dataclasses.replace(loaded, model=_own_copy(pruned.model, loaded.model))
    seconds = time.perf_counter() - job.started
    yield PruneResult(pruned, job.reports, job.masks, zeros / weights, seconds, job.recorded)


def _own_copy(pruned: PreTrainedModel, dense: PreTrainedModel) -> PreTrainedModel:
    """The pruned model with copies of the tensors that it still shares with the dense one."""
    shared = set(map(id, dense.parameters()))
    return copy.deepcopy(pruned, {id(weight): weight for weight in pruned.parameters() if id(weight) not in shared})


def _steps(job: _Job) -> Iterator[PruneProgress]:
    """Measure and cut in the order that the method's record asks for."""
    method = job.method
    if not job.config.reads_text:
        yield from _cut_layers(job, cut_by_magnitude if method.reads_text else method.cut)
    elif method.in_sequence:
        yield from _sequential_steps(job)
    else:
        statistics = yield from _once(job, _noised_steps if method.noised else _clean_steps)
        yield from _cut_structures(job, statistics) if method.structured else _cut_layers(job, method.cut, statistics)


def _cut_layers(job: _Job, cut: Callable, statistics: Totals | None = None) -> Iterator[PruneProgress]:
    """Cut all linears. statistics: by the first linear of each group; None where the weights alone decide."""
    for layer in range(job.layers):
        groups = input_groups(job.loaded.model, layer)
        for group in groups:
            _cut(job, group, cut, statistics and statistics[next(iter(group))])
        yield _layer_done(job, layer, groups)


def _cut_structures(job: _Job, statistics: Totals) -> Iterator[PruneProgress]:
    """Cut whole units, by a ranking that may reach over all layers."""
    begun = time.perf_counter()
    for layer, masks in enumerate(job.method.cut(job.loaded.model, statistics, job.config)):
        seconds = (time.perf_counter() - begun) / len(masks)
        job.masks.update(masks)
        job.reports += [LinearReport(name, mask.float().mean().item(), seconds) for name, mask in masks.items()]
        yield _layer_done(job, layer, input_groups(job.loaded.model, layer))
        begun = time.perf_counter()


def _once(job: _Job, measure: Callable[[_Job], Generator]) -> Generator[PruneProgress, None, object]:
    """What `measure` returns of the dense model, or returned for an earlier prune that measured the same."""
    if job.text is None:
        return (yield from measure(job))
    key = measured_key(job.loaded.spec, job.config, job.text)
    if key in job.measured:
        statistic, seconds = job.measured[key]
        job.recorded = seconds is None
        job.started -= seconds or 0.0
        return statistic
    begun = time.perf_counter()
    statistic = yield from measure(job)
    job.measured[key] = statistic, time.perf_counter() - begun
    return statistic


def _noised_steps(job: _Job) -> Iterator[PruneProgress]:
    """Returns the statistic of the dense model's inputs on noised text, weighted against the sinks."""
    loaded, totals = job.loaded, {}
    sequences = noised(job.ids, loaded.spec.mask_token_id, job.seed)
    masked = measure_masked(loaded, sequences[0])
    for done, versions in enumerate(sequences, start=1):
        add_noised_inputs(loaded, versions, masked, job.config.rule_in_use, job.method.statistic, totals)
        yield job.progress("sinks", None, done, len(sequences))
    return _finished(job, totals)


def _clean_steps(job: _Job) -> Iterator[PruneProgress]:
    """Returns the statistic of the dense model's inputs on clean text."""
    model, totals = job.loaded.model, {}
    groups, parts = all_groups(model), batches(job.ids)
    for done, part in enumerate(parts, start=1):
        add_inputs(groups, lambda ids=part: model.model(ids, use_cache=False), job.method.statistic, None, totals)
        yield job.progress("inputs", None, done, len(parts))
    return _finished(job, totals)


def _finished(job: _Job, totals: Totals) -> Totals:
    """What the cut reads, from sums over all calibration sequences. Raises ValueError where inputs overflowed."""
    check_finite(totals)
    return {name: job.method.statistic.finish(total, len(job.ids)) for name, total in totals.items()}


def _sequential_steps(job: _Job) -> Iterator[PruneProgress]:
    """Layer after layer, each measured on what the pruned layers before it give."""
    model, statistic = job.loaded.model, job.method.statistic
    parts = batches(job.ids)
    weights = [None] * len(parts)
    if job.config.rule_in_use is not None:
        weights = batches((yield from _once(job, _mean_weight_steps)))
    hidden = [model.model.embed_tokens(ids) for ids in parts]
    positions = torch.arange(job.ids.shape[1], device=job.ids.device)[None]
    rotary = model.model.rotary_emb(hidden[0], position_ids=positions)
    for layer in range(job.layers):
        groups = input_groups(model, layer)
        totals: Totals = {}
        for i, (h, w) in enumerate(zip(hidden, weights, strict=True), start=1):
            add_inputs(groups, lambda h=h, layer=layer: _run_layer(model, layer, h, rotary), statistic, w, totals)
            yield job.progress("inputs", layer, i, len(hidden))
        check_finite(totals)
        for i, group in enumerate(groups, start=1):
            total = totals.pop(next(iter(group)))  # a Hessian is large: one is finished at a time
            _cut(job, group, job.method.cut, statistic.finish(total, len(job.ids)))
            yield job.progress("weights", layer, i, len(groups), group)
        if layer + 1 < job.layers:
            for i, h in enumerate(hidden, start=1):
                hidden[i - 1] = _run_layer(model, layer, h, rotary)
                yield job.progress("outputs", layer, i, len(hidden))
        yield _layer_done(job, layer, groups)


def _mean_weight_steps(job: _Job) -> Iterator[PruneProgress]:
    """Returns (samples, T): each clean token's weight, the mean over the noised versions of its sequence."""
    rows = []
    sequences = noised(job.ids, job.loaded.spec.mask_token_id, job.seed)
    masked = measure_masked(job.loaded, sequences[0])
    for done, versions in enumerate(sequences, start=1):
        rows.append(token_weights(mass_of_versions(job.loaded, versions, masked), job.config.rule_in_use).mean(0))
        yield job.progress("sinks", None, done, len(sequences))
    return torch.stack(rows)


def _run_layer(model, layer: int, hidden: torch.Tensor, rotary) -> torch.Tensor:
    # A layer called on its own asks its attention module, not the config, which way to look: say it.
    return model.model.layers[layer](hidden, position_embeddings=rotary, is_causal=model.config.is_causal)


def _cut(job: _Job, group: Group, cut: Callable, statistic: torch.Tensor | None) -> None:
    begun = time.perf_counter()
    masks, damping = cut(group, statistic, job.config)
    seconds = (time.perf_counter() - begun) / len(group)
    job.masks.update(masks)
    for name, linear in group.items():
        zeros = (linear.weight == 0).count_nonzero().item()
        job.reports.append(LinearReport(name, zeros / linear.weight.numel(), seconds, damping))


def _layer_done(job: _Job, layer: int, groups: list[Group]) -> PruneProgress:
    return job.progress("layer", layer, 1, 1, [name for group in groups for name in group])
