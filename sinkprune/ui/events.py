"""The events of the page: how those that run the model are queued, how quick ones are not, and one loop that says where pruning is."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import closing

from sinkprune.models import LoadedModel
from sinkprune.pruning import CalibrationConfig, PruneConfig, PruneResult
from sinkprune.ui.server.workbench import Workbench
from sinkprune.ui.words.text import progress_line

MODEL_EVENT = {
    "concurrency_id": "model",
    "concurrency_limit": 1,
    "api_visibility": "private",
    "show_progress": "hidden",
}
STATE_SECONDS = 3600  # a visitor's last trace is a few MB: it goes when they have been away this long
QUICK_EVENT = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
PROGRESS_EVERY = 0.25  # seconds between two lines of progress


def prune_and_say(
    bench: Workbench,
    pruning: PruneConfig,
    calibration: CalibrationConfig,
    show: Callable[[str], tuple],
    dense: LoadedModel | None = None,
) -> Generator[tuple, None, tuple[PruneResult, bool]]:
    """Prune, or take from the store: yields `show(line of progress)` now and then; returns the result and whether it had been kept.

    Closing it cancels the pruning. dense: see `Workbench.prune`.
    """
    said, kept = 0.0, True
    with closing(bench.prune(pruning, calibration, dense)) as steps:
        for step in steps:
            if isinstance(step, PruneResult):
                return step, kept
            kept = False
            if time.monotonic() - said > PROGRESS_EVERY:
                said = time.monotonic()
                yield show(progress_line(step))
    raise RuntimeError("pruning ended without a result")
