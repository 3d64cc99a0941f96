"""Pruned models, kept for the next who asks: bounded in bytes, keyed by everything that made them, each built once.

`store.build(key, dense, build)` speaks as `prune_steps` does: it yields progress and, last, the result. A second caller who asks for the
same key meanwhile gets the first one's progress and the same result. A build that fails, or whose generator is closed, leaves nothing
behind: whoever waits then builds it.

Results are kept without their models (`lab.compact`), which are made again in a moment from the dense one. A model lives as long as
somebody uses the model. The model used last lives until the next model takes its place. All who use a key at the same time share one
model.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import asdict
from weakref import WeakValueDictionary

from sinkprune.lab.compact import CompactResult, pack, unpack
from sinkprune.models import LoadedModel, ModelSpec
from sinkprune.pruning import CalibrationConfig, PruneConfig, PruneProgress, PruneResult

WAIT_SECONDS = 0.2  # how often one who waits for another's build looks up, and can be cancelled

Build = Callable[
    [], Iterator[PruneProgress | PruneResult]
]  # for example lambda: prune_steps(loaded, prune, calibration)


def store_key(spec: ModelSpec, prune: PruneConfig, calibration: CalibrationConfig) -> str:
    """A short readable name that differs whenever model, revision, or a setting that changes the copy differs."""
    made_by = json.dumps([spec.name, spec.revision, copy_settings(prune, calibration)], sort_keys=True)
    return f"{spec.name}/{prune.method}-{prune.target:.0%}-{hashlib.sha256(made_by.encode()).hexdigest()[:12]}"


def copy_settings(prune: PruneConfig, calibration: CalibrationConfig) -> dict:
    """The settings that change the copy: those that its method uses."""
    settings, method = asdict(prune) | {"sparsity": prune.target}, prune.record
    if not method.sink_aware:
        del settings["sink_rule"], settings["sink_weight"]
    elif not prune.sink_weight:
        del settings["sink_rule"]
    if not method.structured:
        del settings["allocation"]
    return settings | {"calibration": asdict(calibration)} if method.reads_text else settings


def give_memory_back() -> None:
    """Return to the system what the C library keeps for later: after a prune some hundred MB, in one heap for each thread that pruned."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, musl does not
        if trim is not None:
            trim(0)


class PrunedStore:
    """Least recently used results leave when the sum would exceed max_bytes; a result larger than that is returned but not kept."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self._kept: OrderedDict[str, tuple[LoadedModel, CompactResult]] = (
            OrderedDict()
        )  # key -> its dense model, itself
        self._in_use: WeakValueDictionary[str, PruneResult] = WeakValueDictionary()
        self._last: PruneResult | None = None
        self._progress: dict[str, PruneProgress | None] = {}  # key -> latest progress of the build under way
        self._changed = threading.Condition()

    def get(self, key: str) -> PruneResult | None:
        """The result, now the most recently used, or None when it was never built or has left."""
        with self._changed:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            result = self._in_use.get(key)
            if result is None:
                self._last = None  # two models that nobody uses must not stand in memory together
                result = self._in_use[key] = unpack(*self._kept[key])
            self._last = result
            return result

    def keys(self) -> list[str]:
        """What is kept, least recently used first."""
        with self._changed:
            return list(self._kept)

    def __contains__(self, key: str) -> bool:
        with self._changed:
            return key in self._kept

    def build(self, key: str, dense: LoadedModel, build: Build) -> Iterator[PruneProgress | PruneResult]:
        """Yield progress and, last, the kept or the newly built result, which is a pruned copy of `dense`."""
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
                yield (yield from self._run(key, dense, build))
                return
            yield from self._follow(key)

    def _run(self, key: str, dense: LoadedModel, build: Build) -> Generator[PruneProgress, None, PruneResult]:
        try:
            with closing(build()) as steps:
                for step in steps:
                    if not isinstance(step, PruneResult):
                        self._note(key, step)
                        yield step
            if not self._keep(key, dense, pack(dense, step)):
                return step
            del step  # before its model is made anew
            return self.get(key)
        finally:  # also on failure and cancel: those who wait must not wait for ever
            with self._changed:
                del self._progress[key]
                self._changed.notify_all()
            give_memory_back()

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

    def _keep(self, key: str, dense: LoadedModel, compact: CompactResult) -> bool:
        with self._changed:
            if compact.nbytes > self.max_bytes:
                return False
            while self.bytes + compact.nbytes > self.max_bytes:
                _, (_, left) = self._kept.popitem(last=False)
                self.bytes -= left.nbytes
            self._kept[key] = (dense, compact)
            self.bytes += compact.nbytes
            return True
