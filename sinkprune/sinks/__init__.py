"""What we look at: recorded attention, sink scores, and how far sinks move."""

from sinkprune.sinks.recording import AttentionRecording, attention_map, record_attention
from sinkprune.sinks.scores import paper_scores, reference_scores, reference_sink_set, sink_set, total_mass

__all__ = [
    "AttentionRecording",
    "attention_map",
    "paper_scores",
    "record_attention",
    "reference_scores",
    "reference_sink_set",
    "sink_set",
    "total_mass",
]
