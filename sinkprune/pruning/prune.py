"""prune_model: a pruned copy of a model. prune_steps: the same as a generator, for progress and cancelling.

Methods (paper section 3; official code, with its numbers of zeros made exact):
    magnitude       |W|, one threshold a linear. No calibration.
    wanda           |W| x input norm, per output row. Clean text; each layer is measured behind the pruned layers before it.
    sparsegpt       as wanda for text and order; weights that stay make up for those that go; a threshold per 128 columns.
    sink-wanda      |W| x sum of the input norms of all noised versions, sink tokens weighted down; measured once, on the dense model.
    sink-sparsegpt  sparsegpt with each clean token's input scaled by 1 - its sink score, averaged over the noised versions (dense model).
    structured      whole MLP channels and KV heads leave by wanda's score, summed. Clean text; measured once, on the dense model.
    sink-structured structured with sink-wanda's statistic.
So wanda and sink-wanda differ in more than the sinks; `PruneConfig(sink_weight=False)` switches off the weight alone.

The given model is never changed. Closing `prune_steps` early leaves nothing behind. Weights already zero count as pruned where a method
would choose them. At sparsity 0 and 1 there is nothing to choose and no text is run.
"""

from __future__ import annotations

import copy
import dataclasses
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field

import torch

from sinkprune.models import LoadedModel
from sinkprune.pruning.calibration import calibration_set, noised
from sinkprune.pruning.cuts import Masks, cut_by_magnitude, cut_by_sparsegpt, cut_by_wanda
from sinkprune.pruning.linears import Group, all_groups, check_prunable, input_groups
from sinkprune.pruning.measuring import (
    Totals,
    add_inputs,
    add_noised_norms,
    batches,
    check_finite,
    mass_of_versions,
    measure_masked,
)
from sinkprune.pruning.settings import (
    STRUCTURED,
    CalibrationConfig,
    LinearReport,
    PruneConfig,
    PruneProgress,
    PruneResult,
)
from sinkprune.pruning.statistics import gram, sum_of_squared_norms
from sinkprune.pruning.structured import choose_units, cut_layer, unit_costs, unit_scores
from sinkprune.pruning.token_weights import token_weights

Measured = dict[tuple, tuple[object, float]]  # what made a statistic of the dense model -> it, and the seconds it took


@dataclass
class _Job:
    """One running prune: what was asked, the copy being cut, and what came out so far."""

    loaded: LoadedModel
    config: PruneConfig
    ids: torch.Tensor  # (samples, T)
    seed: int
    started: float
    text: CalibrationConfig | None  # what made the ids; None where they were given
    measured: Measured
    masks: Masks = field(default_factory=dict)
    reports: list[LinearReport] = field(default_factory=list)

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
) -> PruneResult:
    """Prune a copy of `loaded`. See `prune_steps` for arguments and errors."""
    for step in prune_steps(loaded, config, calibration, calibration_ids, measured):
        result = step
    return result


@torch.no_grad()  # on a generator: in force while it runs, not while its consumer does
def prune_steps(
    loaded: LoadedModel,
    config: PruneConfig,
    calibration: CalibrationConfig | None = None,
    calibration_ids: torch.Tensor | None = None,
    measured: Measured | None = None,
) -> Iterator[PruneProgress | PruneResult]:
    """Prune a copy of `loaded` layer by layer: yields `PruneProgress` several times a layer and, last, the `PruneResult`.

    calibration_ids: LongTensor (samples, length) used instead of the built-in text; `calibration.seed` still seeds the noise.
    measured: statistics that earlier prunes took of the dense model; read, and filled for later ones, which then need not measure again
    for another sparsity. Models are told apart by their specs. The seconds of a prune count the measuring in either case.
    Raises ValueError where the weights cannot be pruned (offloaded, quantised, NaN), the pattern does not fit, or the
    calibration is unusable.
    """
    started = time.perf_counter()
    calibration = calibration or CalibrationConfig()
    check_prunable(loaded.model, config.pattern)
    if loaded.spec.mask_token_id is None and config.method.startswith("sink-"):
        raise ValueError(
            f"{config.method!r} measures on masked text, and {loaded.spec.name!r} has no MASK: use the method without sink-"
        )
    needs_text = config.method != "magnitude" and config.target not in (0.0, 1.0)
    given = calibration_ids is not None
    ids = calibration_set(loaded, calibration, calibration_ids) if needs_text or given else None
    pruned = dataclasses.replace(loaded, model=copy.deepcopy(loaded.model))
    text = None if given else calibration
    job = _Job(pruned, config, ids, calibration.seed, started, text, {} if measured is None else measured)
    if not needs_text:
        yield from _magnitude_steps(job)
    elif config.method == "sink-wanda":
        yield from _sink_wanda_steps(job)
    elif config.method in STRUCTURED:
        yield from _structured_steps(job)
    else:
        yield from _sequential_steps(job)
    zeros = sum(report.sparsity * job.masks[report.name].numel() for report in job.reports)
    weights = sum(mask.numel() for mask in job.masks.values())
    yield PruneResult(pruned, job.reports, job.masks, zeros / weights, time.perf_counter() - job.started)


def _magnitude_steps(job: _Job) -> Iterator[PruneProgress]:
    for layer in range(job.layers):
        groups = input_groups(job.loaded.model, layer)
        for group in groups:
            begun = time.perf_counter()
            _report(job, group, cut_by_magnitude(group, job.config), begun)
        yield _layer_done(job, layer, groups)


def _sink_wanda_steps(job: _Job) -> Iterator[PruneProgress]:
    """One shot: all statistics from the dense model on noised text, then all layers are cut."""
    totals = yield from _once(job, _noised_norm_steps)
    for layer in range(job.layers):
        groups = input_groups(job.loaded.model, layer)
        for group in groups:
            begun = time.perf_counter()
            _report(job, group, cut_by_wanda(group, totals[next(iter(group))], job.config), begun)
        yield _layer_done(job, layer, groups)


def _structured_steps(job: _Job) -> Iterator[PruneProgress]:
    """One shot as well: a ranking over all layers needs all statistics before the first cut."""
    totals = yield from _once(job, _noised_norm_steps if job.config.method == "sink-structured" else _clean_norm_steps)
    model = job.loaded.model
    names = [[next(iter(group)) for group in input_groups(model, layer)] for layer in range(job.layers)]
    scores = [unit_scores(model, layer, totals[o], totals[down]) for layer, (_, o, _, down) in enumerate(names)]
    for layer, kept in enumerate(choose_units(scores, unit_costs(model), job.config)):
        begun = time.perf_counter()
        masks = cut_layer(model, layer, kept)
        seconds = (time.perf_counter() - begun) / len(masks)
        job.masks.update(masks)
        job.reports += [LinearReport(name, mask.float().mean().item(), seconds) for name, mask in masks.items()]
        yield _layer_done(job, layer, input_groups(model, layer))


def _once(job: _Job, measure: Callable[[_Job], Generator]) -> Generator[PruneProgress, None, object]:
    """What `measure` returns of the dense model, or returned for an earlier prune that measured the same."""
    if job.text is None:
        return (yield from measure(job))
    rule = job.config.sink_rule if job.config.sink_weight else None
    key = (measure.__name__, job.loaded.spec, job.text, rule)
    if key in job.measured:
        statistic, seconds = job.measured[key]
        job.started -= seconds
        return statistic
    begun = time.perf_counter()
    statistic = yield from measure(job)
    job.measured[key] = statistic, time.perf_counter() - begun
    return statistic


def _noised_norm_steps(job: _Job) -> Iterator[PruneProgress]:
    """Returns the dense model's input norms on noised text, weighted against the sinks."""
    loaded, totals = job.loaded, {}
    rule = job.config.sink_rule if job.config.sink_weight else None
    sequences = noised(job.ids, loaded.spec.mask_token_id, job.seed)
    masked = measure_masked(loaded, sequences[0])
    for done, versions in enumerate(sequences, start=1):
        add_noised_norms(loaded, versions, masked, rule, totals)
        yield job.progress("sinks", None, done, len(sequences))
    check_finite(totals)
    return totals


def _clean_norm_steps(job: _Job) -> Iterator[PruneProgress]:
    """Returns the dense model's input norms on clean text."""
    model, totals = job.loaded.model, {}
    parts = batches(job.ids)
    for done, part in enumerate(parts, start=1):
        add_inputs(
            all_groups(model), lambda ids=part: model.model(ids, use_cache=False), sum_of_squared_norms, None, totals
        )
        yield job.progress("inputs", None, done, len(parts))
    check_finite(totals)
    return {name: total.sqrt() for name, total in totals.items()}


def _sequential_steps(job: _Job) -> Iterator[PruneProgress]:
    """Layer after layer, each measured on what the pruned layers before it give: wanda, sparsegpt, sink-sparsegpt."""
    model = job.loaded.model
    statistic = sum_of_squared_norms if job.config.method == "wanda" else gram
    parts = batches(job.ids)
    weights = [None] * len(parts)
    if job.config.method == "sink-sparsegpt" and job.config.sink_weight:
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
            _cut(job, group, totals.pop(next(iter(group))))
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
        rows.append(token_weights(mass_of_versions(job.loaded, versions, masked), job.config.sink_rule).mean(0))
        yield job.progress("sinks", None, done, len(sequences))
    return torch.stack(rows)


def _run_layer(model, layer: int, hidden: torch.Tensor, rotary) -> torch.Tensor:
    # A layer called on its own asks its attention module, not the config, which way to look: say it.
    return model.model.layers[layer](hidden, position_embeddings=rotary, is_causal=model.config.is_causal)


def _cut(job: _Job, group: Group, total: torch.Tensor) -> None:
    """Turn the summed statistic into Wanda's norm or SparseGPT's Hessian and cut the group."""
    begun = time.perf_counter()
    if job.config.method == "wanda":
        _report(job, group, cut_by_wanda(group, (total / len(job.ids)).sqrt(), job.config), begun)
        return
    masks, damping = cut_by_sparsegpt(group, total * (2 / len(job.ids)), job.config)
    _report(job, group, masks, begun, damping)


def _report(job: _Job, group: Group, masks: Masks, begun: float, damping: float | None = None) -> None:
    seconds = (time.perf_counter() - begun) / len(group)
    job.masks.update(masks)
    for name, linear in group.items():
        zeros = (linear.weight == 0).sum().item()
        job.reports.append(LinearReport(name, zeros / linear.weight.numel(), seconds, damping))


def _layer_done(job: _Job, layer: int, groups: list[Group]) -> PruneProgress:
    return job.progress("layer", layer, 1, 1, [name for group in groups for name in group])
