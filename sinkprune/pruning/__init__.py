"""What we cut: calibration, statistics, decisions, SparseGPT, structured cuts, prune_model; what that changed; quantising afterwards."""

from sinkprune.pruning.calibration import calibration_set
from sinkprune.pruning.changes import MaskChanges, mask_changes
from sinkprune.pruning.measured import Measured, is_at_hand
from sinkprune.pruning.prune import prune_model, prune_steps
from sinkprune.pruning.quantised import QuantiseResult, quantise
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
from sinkprune.pruning.sources import draw_or_built_in

__all__ = [
    "ALLOCATIONS",
    "METHODS",
    "SINK_RULES",
    "STRUCTURED",
    "UNSTRUCTURED",
    "CalibrationConfig",
    "LinearReport",
    "MaskChanges",
    "Measured",
    "PruneConfig",
    "PruneProgress",
    "PruneResult",
    "QuantiseResult",
    "calibration_set",
    "draw_or_built_in",
    "is_at_hand",
    "mask_changes",
    "prune_model",
    "prune_steps",
    "quantise",
]
