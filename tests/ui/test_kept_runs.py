"""Kept runs: computed once for all who ask, whoever leaves; bounded in bytes; failures are not kept."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinkprune.ui.server import kept_runs
from sinkprune.ui.server.kept_runs import KEPT, LIVE, SHARED, KeptRuns
from sinkprune.ui.server.scheduler import Waiting

WAIT = 20  # seconds until a test gives up: a busy machine is no failure


class Counted:
    """Makes runs of `count` numbers; `made` counts the steps taken, `closed` the runs that ended early."""

    def __init__(self, count: int = 5):
        self.count, self.made, self.closed = count, 0, 0

    def __call__(self):
        return self._steps()

    def _steps(self):
        try:
            for number in range(self.count):
                self.made += 1
                yield number
        except GeneratorExit:
            self.closed += 1
            raise


@pytest.fixture
def kept() -> KeptRuns:
    return KeptRuns(100, len)


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    monkeypatch.setattr(kept_runs, "LOOKS_UP", 0.01)
    monkeypatch.setattr(kept_runs, "REPLAY_SECONDS", 0.01)


def test_a_run_is_computed_once_and_kept_for_the_next(kept):
    make = Counted()
    assert list(kept.run("a", make)) == [(LIVE, number) for number in range(5)]
    assert list(kept.run("a", make)) == [(KEPT, number) for number in range(5)]
    assert list(kept.run("a", make, slowly=False)) == [(KEPT, 4)]
    assert make.made == 5


def test_a_run_under_way_is_shared_and_goes_on_when_its_first_visitor_leaves(kept):
    make = Counted()
    first = kept.run("a", make)
    assert next(first) == (LIVE, 0)
    second = kept.run("a", make)
    assert next(second) == (SHARED, 0)
    first.close()
    assert list(second)[-1] == (SHARED, 4)
    assert (make.made, make.closed) == (5, 0)
    assert kept.keys() == ["a"]


def test_a_run_that_everybody_left_is_closed_and_forgotten(kept):
    make = Counted()
    visitors = [kept.run("a", make) for _ in range(3)]
    for visitor in visitors:
        next(visitor)
    for visitor in visitors:
        visitor.close()
    assert (make.made, make.closed, kept.keys()) == (1, 1, [])
    assert list(kept.run("a", make))[-1] == (LIVE, 4)


def test_a_class_of_thirty_costs_one_computation(kept):
    make, there, seen = Counted(20), threading.Barrier(30, timeout=WAIT), []

    def slow():
        for value in make():
            time.sleep(0.01)
            yield value

    def visit():
        there.wait()
        seen.append([value for _, value in kept.run("a", slow) if not isinstance(value, Waiting)])

    threads = [threading.Thread(target=visit, daemon=True) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert make.made == 20
    assert [values[-1] for values in seen] == [19] * 30
    assert all(values == sorted(values) for values in seen)


def test_a_failure_is_told_to_all_and_not_kept(kept):
    def fails():
        yield 1
        raise ValueError("no room")

    first, second = kept.run("a", fails), kept.run("a", fails)
    next(first), next(second)
    for visitor in (first, second):
        with pytest.raises(ValueError, match="no room"):
            list(visitor)
    assert kept.keys() == []


def test_checks_refuse_every_visitor(kept):
    def refuses():
        raise ValueError("the prompt is empty")

    list(kept.run("a", Counted()))
    with pytest.raises(ValueError, match="empty"):
        list(kept.run("a", refuses))


def test_places_in_a_line_are_told_and_not_kept(kept):
    def waits():
        yield Waiting(2, 1.0)
        yield Waiting(1, 1.0)
        yield "written"

    assert list(kept.run("a", waits)) == [(LIVE, Waiting(2, 1.0)), (LIVE, Waiting(1, 1.0)), (LIVE, "written")]
    assert list(kept.run("a", waits)) == [(KEPT, "written")]


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(1, 40)), max_size=30))
def test_bytes_stay_within_the_bound_and_the_least_recently_used_leave(asked):
    kept, sizes, used = KeptRuns(60, len), {}, []
    for key, size in asked:
        sizes.setdefault(key, size)
        list(kept.run(str(key), Counted(sizes[key]), slowly=False))
        used = [other for other in used if other != str(key)] + [str(key)]
        there = kept.keys()
        assert kept.bytes == sum(sizes[int(other)] for other in there) <= 60
        assert there == used[len(used) - len(there) :]


def test_what_is_larger_than_the_bound_is_not_kept():
    kept = KeptRuns(3, len)
    list(kept.run("a", Counted(3)))
    assert list(kept.run("b", Counted(4)))[-1] == (LIVE, 3)
    assert kept.keys() == ["a"]
