"""Progress on standard error: bars where somebody watches, nothing where the output goes to a file."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from tqdm import tqdm

from sinkprune.decoding import Step
from sinkprune.models import LoadedModel
from sinkprune.pruning import (
    CalibrationConfig,
    PruneConfig,
    PruneProgress,
    PruneResult,
    draw_or_built_in,
    prune_steps,
)
from sinkprune.recorded.dense_statistics import load_statistics

PHASES = {"sinks": "finding sinks", "inputs": "measuring inputs", "layer": "cutting"}


def remark(sentence: str) -> None:
    """Say something that is no result."""
    tqdm.write(sentence, file=sys.stderr)


def bar(total: int, what: str, unit: str) -> tqdm:
    """A bar that is silent where standard error is no terminal."""
    return tqdm(total=total, desc=what, unit=unit, disable=None, leave=False)


def write(steps: Iterator[Step], gen_length: int) -> Step:
    """Run a decoding generator to its end under a bar of committed tokens; returns the last step."""
    with bar(gen_length, "writing", "token") as shown:
        for step in steps:
            shown.update(len(step.committed) + (0 if step.filled is None else len(step.filled)))
    return step


def prune(
    loaded: LoadedModel, pruning: PruneConfig, calibration: CalibrationConfig, in_place: bool = False
) -> tuple[PruneResult, CalibrationConfig]:
    """Prune under a bar; returns the result and the calibration that was used, the built-in text where a hub is out of reach.

    in_place: see `prune_steps`.
    """
    ids, used = None, calibration
    if pruning.record.reads_text:
        ids, used, why = draw_or_built_in(loaded, calibration)
        if why:
            remark(f"{why}: the built-in text is used instead")
        remark(f"calibrating on {used.samples} x {used.length} tokens of {used.source}")
    measured = load_statistics(loaded) if pruning.record.measured_once and used == CalibrationConfig() else {}
    with tqdm(disable=None, leave=False) as shown:
        for step in prune_steps(loaded, pruning, used, None if measured else ids, measured, in_place):
            if not isinstance(step, PruneResult):
                _show(shown, step)
    return step, used


def _show(shown: tqdm, step: PruneProgress) -> None:
    """Layers where there is one at work, else the steps of the phase that runs through the whole model."""
    if step.layer is None:
        shown.desc, shown.unit, shown.total, shown.n = PHASES[step.phase], "batch", step.total, step.done
    else:
        done = step.layer + (step.phase == "layer")
        shown.desc, shown.unit, shown.total, shown.n = "pruning", "layer", step.layers, done
    shown.refresh()
