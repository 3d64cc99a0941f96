"""What we cut: calibration, statistics, decisions, SparseGPT, prune_model."""

from sinkprune.pruning.calibration import calibration_set
from sinkprune.pruning.prune import prune_model, prune_steps
from sinkprune.pruning.settings import (
    ALLOCATIONS,
    METHODS,
    SINK_RULES,
    STRUCTURED,
    UNSTRUCTURED,
    CalibrationConfig,
    LinearReport,
    PruneConfig,
    PruneProgress,
    PruneResult,
)

__all__ = [
    "ALLOCATIONS",
    "METHODS",
    "SINK_RULES",
    "STRUCTURED",
    "UNSTRUCTURED",
    "CalibrationConfig",
    "LinearReport",
    "PruneConfig",
    "PruneProgress",
    "PruneResult",
    "calibration_set",
    "prune_model",
    "prune_steps",
]
