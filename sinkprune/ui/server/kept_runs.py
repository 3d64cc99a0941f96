"""Finished runs, kept for the next visitor: runs are deterministic, so whoever asks for the same gets the same, at once.

A run under way is shared: all who ask for it meanwhile watch the same steps, and whoever started it may leave. A run that fails, or that
everybody left, is not kept. Runs leave, the least recently used first, when their bytes would exceed the bound.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sinkprune.ui.server.scheduler import Waiting

LIVE, SHARED, KEPT = "live", "shared", "kept"
LOOKS_UP = 0.5  # seconds between two looks of one who shares a run: each look sends what is new
REPLAY_SECONDS = 2.0  # a kept run passes in this time, or in its own if that was shorter
REPLAY_VALUES = 12  # values of a kept run that are sent on the way to the last one


@dataclass(eq=False)
class _Run:
    steps: Iterator
    values: list = field(default_factory=list)  # those to keep
    news: object = Waiting(0, None)  # the newest of all
    count: int = 0  # how many there were
    seconds: float = 0.0
    done: bool = False
    error: Exception | None = None
    watchers: int = 0
    driven: bool = False  # one of the watchers takes its steps


class KeptRuns:
    """Up to max_bytes of finished runs. Safe across threads.

    size: the bytes of a run, from its values. passing: types of values that are for those who watch, and are not kept.
    """

    def __init__(self, max_bytes: int, size: Callable[[list], int], passing: tuple[type, ...] = (Waiting,)) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self._size, self._passing = size, passing
        self._changed = threading.Condition()
        self._under_way: dict[str, _Run] = {}
        self._kept: OrderedDict[str, tuple[_Run, int]] = OrderedDict()

    def keys(self) -> list[str]:
        """What is kept, least recently used first."""
        with self._changed:
            return list(self._kept)

    def run(self, key: str, make: Callable[[], Iterator], slowly: bool = True) -> Iterator[tuple[str, object]]:
        """(LIVE, SHARED or KEPT, value) for each value that the run yields, always up to the last one.

        make: starts the run; it is called for every visitor, so that its checks refuse them all. A value of a run under way may be left out
        where a newer one is there. slowly: a kept run passes in a moment, as if it were live, instead of being there at once.
        """
        steps = make()
        with self._changed:
            kept = key in self._kept
            if kept:
                self._kept.move_to_end(key)
                run = self._kept[key][0]
            else:
                how = SHARED if key in self._under_way else LIVE
                run = self._under_way.setdefault(key, _Run(steps))
                run.watchers += 1
        if kept:
            yield from ((KEPT, value) for value in _replay(run, slowly))
            return
        try:
            yield from ((how, value) for value in self._watch(key, run))
        finally:
            self._leave(key, run)

    def _watch(self, key: str, run: _Run) -> Iterator[object]:
        told, drives = 0, False
        try:
            while True:
                with self._changed:
                    if not drives and not run.driven and not run.done:
                        drives = run.driven = True
                if drives:
                    self._step(key, run)
                with self._changed:
                    new, told = run.count > told, run.count
                    value, done, error = run.news, run.done, run.error
                if error is not None:
                    raise error
                if new:
                    yield value
                if done:
                    return
                if not drives:
                    with self._changed:
                        self._changed.wait_for(lambda: run.done or not run.driven, LOOKS_UP)
                    if told == run.count:
                        yield value  # so that one who waits with it can leave
        finally:
            if drives:
                with self._changed:
                    run.driven = False
                    self._changed.notify_all()

    def _step(self, key: str, run: _Run) -> None:
        began = time.monotonic()
        try:
            value = next(run.steps)
        except StopIteration:
            self._finish(key, run, None)
            return
        except Exception as error:
            self._finish(key, run, error)
            return
        with self._changed:
            run.news, run.count = value, run.count + 1
            if not isinstance(value, self._passing):
                run.values.append(value)
                run.seconds += time.monotonic() - began

    def _finish(self, key: str, run: _Run, error: Exception | None) -> None:
        with self._changed:
            run.done, run.error = True, error
            del self._under_way[key]
            size = self._size(run.values) if error is None else 0
            if error is None and size <= self.max_bytes:
                while self.bytes + size > self.max_bytes:
                    self.bytes -= self._kept.popitem(last=False)[1][1]
                self._kept[key] = (run, size)
                self.bytes += size
            self._changed.notify_all()

    def _leave(self, key: str, run: _Run) -> None:
        with self._changed:
            run.watchers -= 1
            left_alone = run.watchers == 0 and not run.done
            if left_alone:
                del self._under_way[key]
        if left_alone:
            run.steps.close()


def _replay(run: _Run, slowly: bool) -> Iterator[object]:
    if slowly and len(run.values) > 1:
        every = max(1, len(run.values) // REPLAY_VALUES)
        shown = run.values[:-1:every]
        for value in shown:
            yield value
            time.sleep(min(REPLAY_SECONDS, run.seconds) / len(shown))
    yield run.values[-1]
