"""Pruned models, kept for the next visitor: bounded in bytes, keyed by everything that made them, each built once.

`store.build(key, build)` speaks as `prune_steps` does: it yields progress and, last, the result. A second visitor who asks for the same key
meanwhile gets the first one's progress and the same result. A build that fails, or whose generator is closed, leaves nothing
behind: whoever waits then builds it. The dense model is never stored here: it is read-only and shared.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict

from sinkprune.models import ModelSpec
from sinkprune.pruning import CalibrationConfig, PruneConfig, PruneProgress, PruneResult

WAIT_SECONDS = 0.2  # how often one who waits for another's build looks up, and can be cancelled

Build = Callable[
    [], Iterator[PruneProgress | PruneResult]
]  # for example lambda: prune_steps(loaded, prune, calibration)


def store_key(spec: ModelSpec, prune: PruneConfig, calibration: CalibrationConfig) -> str:
    """A short readable name that differs whenever model, revision, pruning or calibration settings differ."""
    made_by = json.dumps([spec.name, spec.revision, asdict(prune), asdict(calibration)], sort_keys=True)
    return f"{spec.name}/{prune.method}-{prune.target:.0%}-{hashlib.sha256(made_by.encode()).hexdigest()[:12]}"


def size_in_bytes(result: PruneResult) -> int:
    """Bytes of weights, buffers and masks; weights shared inside the model (tied embeddings) count once."""
    model = result.loaded.model
    tensors = {tensor.data_ptr(): tensor for tensor in (*model.parameters(), *model.buffers(), *result.masks.values())}
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


class PrunedStore:
    """Least recently used results leave when the sum would exceed max_bytes; a result larger than that is returned but not kept."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self._results: OrderedDict[str, tuple[PruneResult, int]] = OrderedDict()
        self._progress: dict[str, PruneProgress | None] = {}  # key -> latest progress of the build under way
        self._changed = threading.Condition()

    def get(self, key: str) -> PruneResult | None:
        """The result, now the most recently used, or None when it was never built or has left."""
        with self._changed:
            if key not in self._results:
                return None
            self._results.move_to_end(key)
            return self._results[key][0]

    def keys(self) -> list[str]:
        """What is kept, least recently used first."""
        with self._changed:
            return list(self._results)

    def build(self, key: str, build: Build) -> Iterator[PruneProgress | PruneResult]:
        """Yield progress and, last, the kept or the newly built result."""
        while True:
            with self._changed:
                kept = self.get(key)
                mine = kept is None and key not in self._progress
                if mine:
                    self._progress[key] = None
            if kept is not None:
                yield kept
                return
            if mine:
                yield from self._run(key, build)
                return
            yield from self._follow(key)

    def _run(self, key: str, build: Build) -> Iterator[PruneProgress | PruneResult]:
        try:
            with closing(build()) as steps:
                for step in steps:
                    if not isinstance(step, PruneResult):
                        self._note(key, step)
                        yield step
            self._keep(key, step)
        finally:  # also on failure and cancel: those who wait must not wait for ever
            with self._changed:
                del self._progress[key]
                self._changed.notify_all()
        yield step

    def _note(self, key: str, progress: PruneProgress) -> None:
        with self._changed:
            self._progress[key] = progress
            self._changed.notify_all()

    def _follow(self, key: str) -> Iterator[PruneProgress]:
        """Pass on the progress of somebody else's build until it ends, well or badly."""
        while True:
            with self._changed:
                self._changed.wait(WAIT_SECONDS)
                if key not in self._progress:
                    return
                progress = self._progress[key]
            if progress is not None:
                yield progress

    def _keep(self, key: str, result: PruneResult) -> None:
        size = size_in_bytes(result)
        with self._changed:
            if size > self.max_bytes:
                return
            while self.bytes + size > self.max_bytes:
                _, (_, freed) = self._results.popitem(last=False)
                self.bytes -= freed
            self._results[key] = (result, size)
            self.bytes += size
