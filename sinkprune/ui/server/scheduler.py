"""Two lines before one machine: short work (a model writes) and long work (pruning, all methods, a sweep).

Work is a generator, and each of its steps has the machine to itself. In a line, who came first runs to the end; a visitor's second job
stands after the first jobs of others.
Between the lines, long work gives way. After a long step of t seconds, short work has the machine for `GIVES_WAY` t seconds before the
next long step. So a long job makes a short one at most half as long again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

SHORT, LONG = "short", "long"
MOST_WAITING = 60
GIVES_WAY = 2.0  # seconds of short work after each second of long work
IDLE_SECONDS = 0.5  # short work that asks for no step for so long does not hold up long work
LOOKS_UP = 1.0  # seconds after which one who waits is told their place again, and can leave
GRACE = 3.0  # seconds that a visitor's last long job has to close, where they cancelled it and press again
NEWEST = 0.3  # weight of the newest job in the mean time of its kind
FULL = f"{MOST_WAITING} visitors are waiting already: try again in a minute; recorded runs play meanwhile"
ONE_LONG_JOB = "one long job for each visitor at a time: yours is still under way, so let it finish or stop it first"
END = object()


@dataclass(frozen=True)
class Waiting:
    """A place in a line. before: jobs that come first; seconds: about how long they take, None while nothing is known about them."""

    before: int
    seconds: float | None


@dataclass(eq=False)
class _Job:
    line: str
    visitor: str
    kind: str
    rank: int = 0  # how many jobs of the same visitor stand before this one
    started: float | None = None
    wants: bool = False  # waits for the machine, for one step


class Lines:
    """Safe across threads. alone: there is nobody to share the machine with (a worker of ZeroGPU), so nothing waits."""

    def __init__(self, alone: bool = False) -> None:
        self._alone = alone
        self._changed = threading.Condition()
        self._jobs: dict[str, list[_Job]] = {SHORT: [], LONG: []}  # the first of each runs
        self._mean: dict[str, float] = {}  # kind of job -> seconds it takes
        self._stepping = False
        self._owed = 0.0  # seconds of short work before the next long step
        self._last_step = 0.0  # when it ended

    def run(
        self,
        line: str,
        steps: Iterator,
        visitor: str = "",
        kind: str = "",
        needless: Callable[[], bool] = lambda: False,
    ) -> Iterator:
        """`Waiting` now and then until it is this job's turn, then what `steps` yields. Closing it closes `steps` and leaves the line.

        visitor: "" is nobody in particular. kind: jobs of one kind take about the same time. needless: says that the wait is over, because
        somebody else has made what `steps` would make.
        Raises ValueError, at the first step, where the lines are full or the visitor has a long job already.
        """
        with closing(steps):
            if self._alone:
                yield from steps
                return
            yield from self._own_last_job_closes(line, visitor)
            job = self._join(line, visitor, kind or line)
            try:
                yield from self._wait(job, needless)
                while True:
                    with self._turn(job):
                        step = next(steps, END)
                    if step is END:
                        self._learn(job)
                        return
                    yield step
            finally:
                self._leave(job)

    def waiting(self) -> int:
        """How many jobs wait."""
        with self._changed:
            return sum(max(0, len(jobs) - 1) for jobs in self._jobs.values())

    def _own_last_job_closes(self, line: str, visitor: str) -> Iterator[Waiting]:
        until = time.monotonic() + GRACE
        while line == LONG and visitor and self._has_long_job(visitor):
            if time.monotonic() > until:
                raise ValueError(ONE_LONG_JOB)
            yield Waiting(1, None)
            with self._changed:
                self._changed.wait(LOOKS_UP / 4)

    def _has_long_job(self, visitor: str) -> bool:
        with self._changed:
            return any(job.visitor == visitor for job in self._jobs[LONG])

    def _join(self, line: str, visitor: str, kind: str) -> _Job:
        with self._changed:
            jobs = self._jobs[line]
            if jobs and self.waiting() >= MOST_WAITING:
                raise ValueError(FULL)
            rank = sum(job.visitor == visitor for job in jobs) if visitor else 0
            job = _Job(line, visitor, kind, rank)
            place = next((i for i, other in enumerate(jobs) if i > 0 and other.rank > rank), len(jobs))
            jobs.insert(place, job)
            return job

    def _wait(self, job: _Job, needless: Callable[[], bool]) -> Iterator[Waiting]:
        while True:
            with self._changed:
                jobs = self._jobs[job.line]
                if jobs[0] is job:
                    job.started = time.monotonic()
                    return
                if needless():
                    return
                place = Waiting(jobs.index(job), self._seconds(jobs[: jobs.index(job)]))
            yield place
            with self._changed:
                self._changed.wait_for(lambda: self._jobs[job.line][0] is job or needless(), LOOKS_UP)

    def _seconds(self, jobs: list[_Job]) -> float | None:
        left = []
        for job in jobs:
            if job.kind not in self._mean:
                return None
            ran = 0.0 if job.started is None else time.monotonic() - job.started
            left.append(max(self._mean[job.kind] - ran, 0.5))
        return sum(left)

    @contextmanager
    def _turn(self, job: _Job) -> Iterator[None]:
        """The machine, for one step."""
        with self._changed:
            job.wants = True
            while not self._may_step(job):
                self._changed.wait(IDLE_SECONDS / 5)
            job.wants, self._stepping = False, True
        began = time.monotonic()
        try:
            yield
        finally:
            took = time.monotonic() - began
            with self._changed:
                self._stepping, self._last_step = False, began + took
                self._owed = GIVES_WAY * took if job.line == LONG else max(0.0, self._owed - took)
                self._changed.notify_all()

    def _may_step(self, job: _Job) -> bool:
        if self._stepping:
            return False
        short_waits = any(other.wants for other in self._jobs[SHORT])
        short_runs = bool(self._jobs[SHORT]) and time.monotonic() - self._last_step < IDLE_SECONDS
        if job.line == SHORT:
            return self._owed > 0 or not any(other.wants for other in self._jobs[LONG])
        return self._owed <= 0 or not (short_waits or short_runs)

    def _learn(self, job: _Job) -> None:
        if job.started is None:  # somebody else did its work
            return
        with self._changed:
            took = time.monotonic() - job.started
            self._mean[job.kind] = took + (1 - NEWEST) * (self._mean.get(job.kind, took) - took)

    def _leave(self, job: _Job) -> None:
        with self._changed:
            self._jobs[job.line].remove(job)
            self._changed.notify_all()
