"""How unevenly sinks take attention, and how far they move: the two variance statistics of the paper (eq. 5-7).

Every function takes `masses`: one mass vector per step, as a (T, N) tensor or as a list of tensors of different lengths. Lengths differ in
autoregressive writing, where a position exists only from some step on.
Positions are token indices, so temporal variance is in tokens squared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from sinkprune.sinks.scores import reference_sink_set

Masses = torch.Tensor | Sequence[torch.Tensor]


def normalise_mass(mass: torch.Tensor) -> torch.Tensor:
    """(…, N) scaled so that the mean over positions is 1: 1 is what uniform attention would give."""
    return mass / mass.mean(dim=-1, keepdim=True)


def centroid(mass: torch.Tensor, sinks: torch.Tensor) -> torch.Tensor:
    """(…) attention-weighted mean position of the sinks (eq. 7), from mass (…, N) and sinks (…, N) bool; NaN where there is no sink."""
    weights = torch.where(sinks, mass, torch.zeros_like(mass))
    positions = torch.arange(mass.shape[-1], dtype=mass.dtype, device=mass.device)
    return (weights * positions).sum(dim=-1) / weights.sum(dim=-1)


def sink_trajectory(
    masses: Masses, find_sinks: Callable[[torch.Tensor], torch.Tensor] = reference_sink_set
) -> torch.Tensor:
    """(T,) the centroid of each step's sink set; NaN at steps without a sink."""
    return torch.stack([centroid(mass, find_sinks(mass)) for mass in masses])


def temporal_variance(masses: Masses, find_sinks: Callable[[torch.Tensor], torch.Tensor] = reference_sink_set) -> float:
    """Population variance over steps of the sink centroid (eq. 7), in tokens squared; steps without a sink do not count.

    NaN where no step has a sink.
    """
    return centroid_variance(sink_trajectory(masses, find_sinks))


def centroid_variance(trajectory: torch.Tensor) -> float:
    """The temporal variance of a trajectory (T,) that is known already; NaN where no step has a sink."""
    found = trajectory[~trajectory.isnan()]
    return found.var(correction=0).item() if found.numel() else float("nan")


def spatial_variance(masses: Masses) -> float:
    """Population variance over positions of the mass averaged over steps (eq. 6), each step's mass first scaled to mean 1.

    A position is averaged over the steps at which it exists.
    """
    length = max(mass.shape[-1] for mass in masses)
    total, visible = torch.zeros(length), torch.zeros(length)
    for mass in masses:
        total[: mass.shape[-1]] += normalise_mass(mass)
        visible[: mass.shape[-1]] += 1
    return (total / visible).var(correction=0).item()
