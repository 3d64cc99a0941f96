"""What we look at: recorded attention, sink scores, and how far sinks move."""

from sinkprune.sinks.recording import AttentionRecording, attention_map, record_attention
from sinkprune.sinks.scores import (
    live_heads,
    paper_mass,
    paper_scores,
    reference_scores,
    reference_sink_set,
    sink_set,
    total_mass,
)
from sinkprune.sinks.variance import (
    centroid,
    centroid_variance,
    normalise_mass,
    sink_trajectory,
    spatial_variance,
    temporal_variance,
)

__all__ = [
    "AttentionRecording",
    "attention_map",
    "centroid",
    "centroid_variance",
    "live_heads",
    "normalise_mass",
    "paper_mass",
    "paper_scores",
    "record_attention",
    "reference_scores",
    "reference_sink_set",
    "sink_set",
    "sink_trajectory",
    "spatial_variance",
    "temporal_variance",
    "total_mass",
]
