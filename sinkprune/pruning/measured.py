"""Statistics of the whole dense model: measured once, they serve every sparsity and every method that reads the same.

The one-shot methods (sink-wanda and the structured ones) need nothing else. Of sink-sparsegpt they are the weights of the tokens.
wanda and sparsegpt measure each layer after the layers before it were cut, so what they measure serves one sparsity alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from sinkprune.models import ModelSpec
from sinkprune.pruning.settings import CalibrationConfig, PruneConfig


@dataclass(frozen=True)
class MeasuredKey:
    """What tells statistics of dense models apart. statistic: `Method.measured_once`. rule: how sinks were found; None: weight 1."""

    spec: ModelSpec
    text: CalibrationConfig
    statistic: str
    rule: str | None


# Statistic -> (it, the seconds it took here; None where it came with the project). It is a Totals, or (samples, T) token weights.
Measured = dict[MeasuredKey, tuple[dict[str, torch.Tensor] | torch.Tensor, float | None]]


def measured_key(spec: ModelSpec, config: PruneConfig, text: CalibrationConfig) -> MeasuredKey | None:
    """What a prune by `config` measures of the whole dense model `spec`; None where that is nothing."""
    statistic, rule = config.record.measured_once, config.rule_in_use
    if not config.reads_text or statistic is None or (config.record.in_sequence and rule is None):
        return None
    return MeasuredKey(spec, text, statistic, rule)


def is_at_hand(measured: Measured, spec: ModelSpec, config: PruneConfig, text: CalibrationConfig) -> bool:
    """Whether a prune by `config` finds in `measured` what it would measure of the whole dense model, and it would measure something."""
    return measured_key(spec, config, text) in measured
