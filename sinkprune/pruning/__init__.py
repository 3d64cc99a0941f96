"""What we cut: calibration, scores, SparseGPT, prune_model."""

from sinkprune.pruning.settings import CalibrationConfig, LinearReport, PruneConfig, PruneResult

__all__ = ["CalibrationConfig", "LinearReport", "PruneConfig", "PruneResult"]
