"""What we cut: calibration, statistics, decisions, SparseGPT, prune_model."""

from sinkprune.pruning.calibration import calibration_set
from sinkprune.pruning.prune import prune_model, prune_steps
from sinkprune.pruning.settings import (
    METHODS,
    SINK_RULES,
    CalibrationConfig,
    LinearReport,
    PruneConfig,
    PruneProgress,
    PruneResult,
)

__all__ = [
    "METHODS",
    "SINK_RULES",
    "CalibrationConfig",
    "LinearReport",
    "PruneConfig",
    "PruneProgress",
    "PruneResult",
    "calibration_set",
    "prune_model",
    "prune_steps",
]
