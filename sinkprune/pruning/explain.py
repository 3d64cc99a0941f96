"""One decision of sink-aware pruning, laid open: every number between the attention of a token and a weight that goes (paper Fig. 3).

The method explained is "sink-wanda". The figure has four steps: attention mass per token, weight omega per token, input norms with and
without omega, and the smallest |W| x norm. The numbers come from the functions that `prune_model` calls, so the mask here is the
mask there. `measure_evidence` takes the time; `explain_decision` needs one forward pass up to the layer.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from sinkprune.models import LoadedModel
from sinkprune.pruning.calibration import calibration_set, noised
from sinkprune.pruning.cuts import wanda_decision
from sinkprune.pruning.linears import INPUT_GROUPS, Group, check_prunable, input_groups
from sinkprune.pruning.measured import Measured, measured_key
from sinkprune.pruning.measuring import (
    Seen,
    Totals,
    add_inputs,
    add_noised_inputs,
    check_finite,
    mass_of_versions,
    measure_masked,
)
from sinkprune.pruning.settings import CalibrationConfig, PruneConfig
from sinkprune.pruning.statistics import SUMMED_NORMS, Statistic
from sinkprune.pruning.token_weights import token_weights
from sinkprune.sinks import reference_sink_set, sink_set

EACH_INPUT = Statistic("each input", lambda x, _: x.clone(), lambda total, _: total)  # the inputs themselves
PATCH = (12, 24)  # output rows x inputs that are shown
LINEARS = tuple(name.split(".")[1].removesuffix("_proj") for group in INPUT_GROUPS for name in group)  # q, k, v, o, …


@dataclass(frozen=True)
class Spot:
    """Which weights are looked at: layer (from 0), one of LINEARS, output row, first input shown; None: where most decisions flip."""

    layer: int
    linear: str
    row: int
    column: int | None = None


@dataclass(frozen=True)
class TokenEvidence:
    """Steps 1 and 2 on one sequence, at its ten noise levels. All (10, T).

    ids: what the model read. mass: attention received, summed over layers, heads and queries. sinks: bool, by the chosen rule.
    omega: the token's weight, 1 - sink score (eq. 13). threshold: (10,) the mass above which a token is a sink.
    """

    ids: torch.Tensor
    mass: torch.Tensor
    sinks: torch.Tensor
    omega: torch.Tensor
    threshold: torch.Tensor


@dataclass(frozen=True)
class Evidence:
    """What sink-wanda measures of the dense model, whatever weight is asked about.

    versions: (10, T) the first calibration sequence, noised; tokens: steps 1 and 2 on it. Input norms are summed over the whole calibration
    text, name of a group's first linear -> (in,): weighted with omega, plain with weight 1 everywhere (the ablation).
    """

    versions: torch.Tensor
    tokens: TokenEvidence
    weighted: Totals
    plain: Totals


@dataclass(frozen=True)
class Decision:
    """One patch of R output rows x C inputs of a linear (out, in); tokens and inputs are those of the first calibration sequence.

    rows, columns: their indices. inputs: (10, T, C) the size |x| of each input at each token, before omega.
    norm, norm_plain: (C,) input norms over the whole calibration text, with omega and without. weight: (R, C).
    score, score_plain: (R, C) |W| x norm. goes, goes_plain: (R, C) bool, True = pruned. cut, cut_plain: (R,) the largest score in a row
    that goes; None under a pattern, which compares within groups. flipped_row: decisions of `Spot.row` that differ between the two masks.
    flipped: share of all decisions of the linear that differ.
    """

    tokens: TokenEvidence
    rows: torch.Tensor
    columns: torch.Tensor
    inputs: torch.Tensor
    norm: torch.Tensor
    norm_plain: torch.Tensor
    weight: torch.Tensor
    score: torch.Tensor
    score_plain: torch.Tensor
    goes: torch.Tensor
    goes_plain: torch.Tensor
    cut: torch.Tensor | None
    cut_plain: torch.Tensor | None
    flipped_row: int
    flipped: float


@torch.no_grad()  # on a generator: in force while it runs, not while its consumer does
def measure_evidence(
    loaded: LoadedModel,
    config: PruneConfig,
    calibration: CalibrationConfig | None = None,
    calibration_ids: torch.Tensor | None = None,
    measured: Measured | None = None,
) -> Iterator[tuple[int, int] | Evidence]:
    """Yields (sequences done, of how many) and, last, the Evidence. Arguments and errors as in `prune_steps`.

    Where `measured` holds the norms with omega and those without, only the first sequence is run.
    """
    _check(loaded, config)
    calibration = calibration or CalibrationConfig()
    ids = calibration_set(loaded, calibration, calibration_ids)
    sequences = noised(ids, loaded.spec.mask_token_id, calibration.seed)
    masked = measure_masked(loaded, sequences[0])
    kept = {} if measured is None or calibration_ids is not None else measured
    keys = [measured_key(loaded.spec, replace(config, sink_weight=on), calibration) for on in (True, False)]
    if not all(key in kept for key in keys):
        begun = time.perf_counter()
        sums: tuple[Totals, Totals] = {}, {}
        for done, versions in enumerate(sequences, start=1):
            add_noised_inputs(loaded, versions, masked, config.sink_rule, SUMMED_NORMS, *sums)
            yield done, len(sequences)
        for totals in sums:
            check_finite(totals)
        kept |= {key: (totals, time.perf_counter() - begun) for key, totals in zip(keys, sums, strict=True)}
    weighted, plain = (kept[key][0] for key in keys)
    yield Evidence(sequences[0], token_evidence(loaded, sequences[0], masked, config.sink_rule), weighted, plain)


@torch.no_grad()
def explain_decision(loaded: LoadedModel, config: PruneConfig, spot: Spot, evidence: Evidence) -> Decision:
    """The decision at `spot`. evidence: measured on the same model with the same sink rule.

    Raises ValueError with a sentence where the method is not sink-wanda or the spot does not exist.
    """
    _check(loaded, config)
    group, linear = _find(loaded, spot)
    first = next(iter(group))
    score, goes = wanda_decision(linear.weight, evidence.weighted[first], config)
    score_plain, goes_plain = wanda_decision(linear.weight, evidence.plain[first], config)
    flips = goes ^ goes_plain
    rows = _window(spot.row - PATCH[0] // 2, PATCH[0], linear.out_features)
    columns = _window(_busiest(flips[spot.row]) if spot.column is None else spot.column, PATCH[1], linear.in_features)

    def patch(values: torch.Tensor) -> torch.Tensor:
        return values[rows][:, columns].cpu()

    return Decision(
        tokens=evidence.tokens,
        rows=rows,
        columns=columns,
        inputs=_inputs(loaded, group, evidence.versions)[:, :, columns].float().abs().cpu(),
        norm=evidence.weighted[first][columns].cpu(),
        norm_plain=evidence.plain[first][columns].cpu(),
        weight=patch(linear.weight.float()),
        score=patch(score),
        score_plain=patch(score_plain),
        goes=patch(goes),
        goes_plain=patch(goes_plain),
        cut=None if config.pattern else _cut(score, goes)[rows].cpu(),
        cut_plain=None if config.pattern else _cut(score_plain, goes_plain)[rows].cpu(),
        flipped_row=int(flips[spot.row].sum()),
        flipped=flips.float().mean().item(),
    )


def token_evidence(loaded: LoadedModel, versions: torch.Tensor, masked: Seen, rule: str) -> TokenEvidence:
    """Steps 1 and 2 for one sequence's noised versions (10, T)."""
    mass = mass_of_versions(loaded, versions, masked)
    if rule == "paper":
        sinks, threshold = sink_set(mass, 0.0), mass.mean(-1)  # above the mean of the others is above the mean of all
    else:
        sinks, threshold = reference_sink_set(mass), mass.mean(-1) + 2 * mass.std(-1, correction=0)
    omega = token_weights(mass, rule)
    return TokenEvidence(*(values.cpu() for values in (versions, mass, sinks, omega, threshold)))


def _check(loaded: LoadedModel, config: PruneConfig) -> None:
    if config.method != "sink-wanda":
        raise ValueError(
            f"only sink-wanda is explained, not {config.method!r}: its steps are those of the paper's Fig. 3"
        )
    if not config.sink_weight:
        raise ValueError("without the sink weight there is nothing to compare: leave sink_weight on")
    if loaded.spec.mask_token_id is None:
        raise ValueError(f"sinks are measured on masked text, and {loaded.spec.name!r} has no MASK")
    check_prunable(loaded.model, config.pattern)


def _find(loaded: LoadedModel, spot: Spot) -> tuple[Group, torch.nn.Linear]:
    layers = len(loaded.model.model.layers)
    if not 0 <= spot.layer < layers:
        raise ValueError(f"layer must lie between 1 and {layers}, not {spot.layer + 1}")
    if spot.linear not in LINEARS:
        raise ValueError(f"the projection must be one of {', '.join(LINEARS)}")
    group, linear = next(
        (group, linear)
        for group in input_groups(loaded.model, spot.layer)
        for name, linear in group.items()
        if name.endswith(f".{spot.linear}_proj")
    )
    if not 0 <= spot.row < linear.out_features:
        raise ValueError(f"the output row must lie between 0 and {linear.out_features - 1}, not {spot.row}")
    if spot.column is not None and not 0 <= spot.column < linear.in_features:
        raise ValueError(f"the first input must lie between 0 and {linear.in_features - 1}, not {spot.column}")
    return group, linear


def _inputs(loaded: LoadedModel, group: Group, versions: torch.Tensor) -> torch.Tensor:
    """(10, T, in) the group's inputs."""
    seen: Totals = {}
    add_inputs([group], lambda: loaded.model.model(versions, use_cache=False), EACH_INPUT, None, seen)
    return next(iter(seen.values()))


def _window(start: int, size: int, end: int) -> torch.Tensor:
    """`size` whole numbers from `start`, moved so that all lie in 0 … end - 1; fewer where there are not so many."""
    begin = min(max(0, start), max(0, end - size))
    return torch.arange(begin, min(begin + size, end))


def _busiest(flips: torch.Tensor) -> int:
    """Where the PATCH[1] neighbours with most flips begin; the first such place."""
    size = min(PATCH[1], len(flips))
    return int(flips.float().unfold(0, size, 1).sum(-1).argmax())


def _cut(score: torch.Tensor, goes: torch.Tensor) -> torch.Tensor:
    """(out,) the largest score that goes in each row; 0 where none does."""
    return torch.where(goes, score, torch.zeros_like(score)).amax(-1)
