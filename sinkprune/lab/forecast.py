"""How long a prune takes on this machine: the work of a method is known, the machine's speed is measured when the model is loaded.

Work is counted in multiply-adds. Finished prunes correct the forecast: what they took over what was expected, of the same method or, where
that method has not run here, the mean over those that have.
"""

from __future__ import annotations

import time
from statistics import geometric_mean

import torch

from sinkprune.models import LoadedModel
from sinkprune.pruning import CalibrationConfig, PruneConfig, PruneResult
from sinkprune.pruning.linears import all_groups
from sinkprune.pruning.methods import OWN_VERSIONS, Method

TIMED_TOKENS = 256
CUT = 350  # multiply-adds that take as long as finding and zeroing one weight, on the CPU of the recorded table
COLUMNS = 6  # how much slower SparseGPT's columns run, one after another, than one matrix product of as much work


class Forecast:
    """For one dense model. speed: multiply-adds a second in a forward; None where it was not measured."""

    def __init__(self, speed: float | None) -> None:
        self.speed = speed
        self._took: dict[str, float] = {}  # method -> seconds it took over seconds expected, of its newest prune

    def seconds(
        self, loaded: LoadedModel, pruning: PruneConfig, calibration: CalibrationConfig, at_hand: bool = False
    ) -> float | None:
        """What a prune will take; None where nothing is known of this machine. at_hand: the dense model's statistics are there."""
        if self.speed is None:
            return None
        expected = prune_work(loaded, pruning, calibration, at_hand) / self.speed
        others = geometric_mean(self._took.values()) if self._took else 1.0
        return expected * self._took.get(pruning.method, others)

    def learn(
        self, loaded: LoadedModel, pruning: PruneConfig, calibration: CalibrationConfig, result: PruneResult
    ) -> None:
        """A prune has ended. Its seconds count the measuring, also where an earlier prune did it, but not of recorded statistics."""
        if self.speed is not None:
            work = prune_work(loaded, pruning, calibration, at_hand=result.recorded)
            self._took[pruning.method] = result.seconds * self.speed / work


@torch.inference_mode()
def measure_speed(loaded: LoadedModel) -> float:
    """Multiply-adds a second in a forward of TIMED_TOKENS tokens, the better of two."""
    ids = torch.full((1, TIMED_TOKENS), loaded.spec.mask_token_id or 0, device=loaded.device)
    seconds = []
    for _ in range(2):
        begun = time.perf_counter()
        loaded.model.model(ids, use_cache=False).last_hidden_state[0, 0, 0].item()  # waits for a GPU, too
        seconds.append(time.perf_counter() - begun)
    return sum(_weights(loaded).values()) * TIMED_TOKENS / min(seconds)


def prune_work(
    loaded: LoadedModel, pruning: PruneConfig, calibration: CalibrationConfig, at_hand: bool = False
) -> float:
    """Multiply-adds of a prune (`pruning.prune`). at_hand: without what is measured once on the dense model."""
    method, weights = pruning.record, _weights(loaded)
    work = CUT * sum(weights.values())
    if not pruning.reads_text:
        return work
    tokens = calibration.samples * calibration.length
    work += _passes(method, at_hand) * tokens * sum(weights.values())
    if method.second_order:  # a Hessian (in, in) for each group's inputs, then columns that make up for earlier ones
        work += sum(tokens * width**2 + COLUMNS * width * size for (_, width), size in weights.items())
    return work


def _weights(loaded: LoadedModel) -> dict[tuple[str, int], int]:
    """(name of a group's first linear, inputs) -> weights of the group."""
    found = {}
    for group in all_groups(loaded.model):
        name, first = next(iter(group.items()))
        found[name, first.in_features] = sum(linear.in_features * linear.out_features for linear in group.values())
    return found


def _passes(method: Method, at_hand: bool) -> int:
    """Forwards of each calibration token. Only what is measured on the dense model can be at hand."""
    once = 0 if at_hand else OWN_VERSIONS if method.noised else 0 if method.in_sequence else 1
    return once + (2 if method.in_sequence else 0)
