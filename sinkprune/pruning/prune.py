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

import contextlib
import copy
import dataclasses
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch

from sinkprune.models import LoadedModel
from sinkprune.pruning.calibration import calibration_set, noised
from sinkprune.pruning.cuts import Masks, cut_by_magnitude, cut_by_sparsegpt, cut_by_wanda
from sinkprune.pruning.linears import Group, all_groups, check_prunable, input_groups, watch_inputs
from sinkprune.pruning.settings import (
    STRUCTURED,
    CalibrationConfig,
    LinearReport,
    PruneConfig,
    PruneProgress,
    PruneResult,
)
from sinkprune.pruning.statistics import gram, sum_of_norms, sum_of_squared_norms
from sinkprune.pruning.structured import choose_units, cut_layer, unit_costs, unit_scores
from sinkprune.pruning.token_weights import attention_mass, token_weights

BATCH_TOKENS = 1024  # tokens in one forward through a layer
KEPT_INPUTS = 512 * 2**20  # bytes of inputs kept to spare sink-wanda its second forward

Totals = dict[str, torch.Tensor]  # name of a group's first linear -> its statistic, summed


@dataclass
class _Job:
    """One running prune: what was asked, the copy being cut, and what came out so far."""

    loaded: LoadedModel
    config: PruneConfig
    ids: torch.Tensor  # (samples, T)
    seed: int
    started: float
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
) -> PruneResult:
    """Prune a copy of `loaded`. See `prune_steps` for arguments and errors."""
    for step in prune_steps(loaded, config, calibration, calibration_ids):
        result = step
    return result


@torch.no_grad()  # on a generator: in force while it runs, not while its consumer does
def prune_steps(
    loaded: LoadedModel,
    config: PruneConfig,
    calibration: CalibrationConfig | None = None,
    calibration_ids: torch.Tensor | None = None,
) -> Iterator[PruneProgress | PruneResult]:
    """Prune a copy of `loaded` layer by layer: yields `PruneProgress` several times a layer and, last, the `PruneResult`.

    calibration_ids: LongTensor (samples, length) used instead of the built-in text; `calibration.seed` still seeds the noise.
    Raises ValueError where the weights cannot be pruned (offloaded, quantised, NaN), the pattern does not fit, or the
    calibration is unusable.
    """
    started = time.perf_counter()
    calibration = calibration or CalibrationConfig()
    check_prunable(loaded.model, config.pattern)
    needs_text = config.method != "magnitude" and config.target not in (0.0, 1.0)
    given = calibration_ids is not None
    ids = calibration_set(loaded, calibration, calibration_ids) if needs_text or given else None
    pruned = dataclasses.replace(loaded, model=copy.deepcopy(loaded.model))
    job = _Job(pruned, config, ids, calibration.seed, started)
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
    yield PruneResult(pruned, job.reports, job.masks, zeros / weights, time.perf_counter() - started)


def _magnitude_steps(job: _Job) -> Iterator[PruneProgress]:
    for layer in range(job.layers):
        groups = input_groups(job.loaded.model, layer)
        for group in groups:
            begun = time.perf_counter()
            _report(job, group, cut_by_magnitude(group, job.config), begun)
        yield _layer_done(job, layer, groups)


def _sink_wanda_steps(job: _Job) -> Iterator[PruneProgress]:
    """One shot: all statistics from the dense model on noised text, then all layers are cut."""
    totals = yield from _noised_norm_steps(job)
    for layer in range(job.layers):
        groups = input_groups(job.loaded.model, layer)
        for group in groups:
            begun = time.perf_counter()
            _report(job, group, cut_by_wanda(group, totals[next(iter(group))], job.config), begun)
        yield _layer_done(job, layer, groups)


def _structured_steps(job: _Job) -> Iterator[PruneProgress]:
    """One shot as well: a ranking over all layers needs all statistics before the first cut."""
    totals = yield from (_noised_norm_steps(job) if job.config.method == "sink-structured" else _clean_norm_steps(job))
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


def _noised_norm_steps(job: _Job) -> Iterator[PruneProgress]:
    """Returns the dense model's input norms on noised text, weighted against the sinks."""
    totals: Totals = {}
    for done, versions in enumerate(noised(job.ids, job.loaded.spec.mask_token_id, job.seed), start=1):
        _add_noised_norms(job, versions, totals)
        yield job.progress("sinks", None, done, len(job.ids))
    _check_finite(totals)
    return totals


def _clean_norm_steps(job: _Job) -> Iterator[PruneProgress]:
    """Returns the dense model's input norms on clean text."""
    model, totals = job.loaded.model, {}
    batches = job.ids.split(max(1, BATCH_TOKENS // job.ids.shape[1]))
    for done, batch in enumerate(batches, start=1):
        with watch_inputs(all_groups(model), lambda name, x: _add(totals, name, sum_of_squared_norms(x))):
            model.model(batch, use_cache=False)
        yield job.progress("inputs", None, done, len(batches))
    _check_finite(totals)
    return {name: total.sqrt() for name, total in totals.items()}


def _add_noised_norms(job: _Job, versions: torch.Tensor, totals: Totals) -> None:
    """Add the input norms of one sequence's noised versions (10, T), weighted against the sinks unless switched off."""
    model, groups = job.loaded.model, all_groups(job.loaded.model)
    widths = sum(next(iter(group.values())).in_features for group in groups)
    size = max(1, KEPT_INPUTS // (widths * versions.shape[1] * model.dtype.itemsize))
    batches = versions.split(size)
    if not job.config.sink_weight:
        weights = [None] * len(batches)
    elif len(batches) == 1:  # the inputs fit into memory: keep them until the weights are known
        kept: Totals = {}
        with watch_inputs(groups, kept.__setitem__):
            weight = token_weights(attention_mass(job.loaded, versions), job.config.sink_rule)
        for name, x in kept.items():
            _add(totals, name, sum_of_norms(x, weight))
        return
    else:
        mass = torch.cat([attention_mass(job.loaded, batch) for batch in batches])
        weights = token_weights(mass, job.config.sink_rule).split(size)
    for batch, weight in zip(batches, weights, strict=True):
        with watch_inputs(groups, lambda name, x, weight=weight: _add(totals, name, sum_of_norms(x, weight))):
            model.model(batch, use_cache=False)


def _sequential_steps(job: _Job) -> Iterator[PruneProgress]:
    """Layer after layer, each measured on what the pruned layers before it give: wanda, sparsegpt, sink-sparsegpt."""
    model = job.loaded.model
    weight = None
    if job.config.method == "sink-sparsegpt" and job.config.sink_weight:
        weight = yield from _mean_weight_steps(job)
    size = max(1, BATCH_TOKENS // job.ids.shape[1])
    weights = [None] * len(job.ids.split(size)) if weight is None else weight.split(size)
    hidden = [model.model.embed_tokens(batch) for batch in job.ids.split(size)]
    positions = torch.arange(job.ids.shape[1], device=job.ids.device)[None]
    rotary = model.model.rotary_emb(hidden[0], position_ids=positions)
    for layer in range(job.layers):
        groups = input_groups(model, layer)
        totals: Totals = {}
        for i, (h, w) in enumerate(zip(hidden, weights, strict=True), start=1):
            _add_inputs(job, layer, h, w, rotary, totals)
            yield job.progress("inputs", layer, i, len(hidden))
        _check_finite(totals)
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
    for done, versions in enumerate(noised(job.ids, job.loaded.spec.mask_token_id, job.seed), start=1):
        size = max(1, BATCH_TOKENS // versions.shape[1])
        mass = torch.cat([attention_mass(job.loaded, batch) for batch in versions.split(size)])
        rows.append(token_weights(mass, job.config.sink_rule).mean(0))
        yield job.progress("sinks", None, done, len(job.ids))
    return torch.stack(rows)


class _AllInputsSeen(Exception):
    """Ends a layer's forward early: its last linear's output is not needed to measure its inputs."""


def _add_inputs(job: _Job, layer: int, hidden, weight, rotary, totals: Totals) -> None:
    """Run one batch (B, T, hidden) through the unpruned layer and add its inputs' statistics."""
    groups = input_groups(job.loaded.model, layer)
    last = next(iter(groups[-1]))
    statistic = sum_of_squared_norms if job.config.method == "wanda" else gram

    def see(name: str, x: torch.Tensor) -> None:
        _add(totals, name, statistic(x, weight))
        if name == last:
            raise _AllInputsSeen

    with watch_inputs(groups, see), contextlib.suppress(_AllInputsSeen):
        _run_layer(job.loaded.model, layer, hidden, rotary)


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
        sparsity = 1 - linear.weight.count_nonzero().item() / linear.weight.numel()
        job.reports.append(LinearReport(name, sparsity, seconds, damping))


def _layer_done(job: _Job, layer: int, groups: list[Group]) -> PruneProgress:
    return job.progress("layer", layer, 1, 1, [name for group in groups for name in group])


def _add(totals: Totals, name: str, value: torch.Tensor) -> None:
    totals[name] = totals[name].add_(value) if name in totals else value


def _check_finite(totals: Totals) -> None:
    for name, total in totals.items():
        if not total.isfinite().all():
            raise ValueError(f"the inputs of {name} hold NaN or infinity on this calibration text: try dtype float32")
