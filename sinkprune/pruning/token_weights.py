"""Sink-awareness: one weight per token, 1 - sink score (paper eq. 13), from the dense model's attention on noised text.

"reference" scores every noised version of a sequence on its own (official code); "paper" averages eq. 11 over the versions (eq. 12),
so all versions of a sequence share one weight.
"""

from __future__ import annotations

import contextlib

import torch

from sinkprune.models import LoadedModel
from sinkprune.models.watching import watch_attention
from sinkprune.sinks import paper_scores, record_attention, reference_scores, total_mass


def token_weights(mass: torch.Tensor, rule: str) -> torch.Tensor:
    """(versions, T) in 0..1 from the attention mass (versions, T) of one sequence's noised versions.

    The mass is summed over layers, heads and queries.
    """
    if rule == "reference":
        return 1 - reference_scores(mass)
    # eq. 8 takes the mean over queries, not the sum.
    return (1 - paper_scores(mass / mass.shape[-1])).mean(0, keepdim=True).expand_as(mass)


def attention_mass(loaded: LoadedModel, ids: torch.Tensor) -> torch.Tensor:
    """(B, T) attention received by each token of `ids` (B, T) in one forward, summed over layers, heads and queries."""
    return total_mass(column_mass(loaded, ids))


class _AllAttentionSeen(Exception):
    """Ends a forward early: nothing attends after the last layer's attention."""


def column_mass(loaded: LoadedModel, ids: torch.Tensor) -> torch.Tensor:
    """(L, B, H, T) attention received by each token of `ids` (B, T) in one forward, summed over queries."""
    config = loaded.model.config

    def end(layer: int, *_) -> None:
        if layer == config.num_hidden_layers - 1:
            raise _AllAttentionSeen

    with record_attention(loaded) as recording:
        # Watchers are called in turn, so the recording has seen the last layer when this one ends the forward.
        with watch_attention(config, end), contextlib.suppress(_AllAttentionSeen):
            loaded.model.model(ids, use_cache=False)
        return recording.column_mass
