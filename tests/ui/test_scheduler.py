"""The two lines: who comes first, who gives way, who is refused, and that whoever leaves frees the place."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from sinkprune.ui.server import scheduler
from sinkprune.ui.server.scheduler import LONG, MOST_WAITING, SHORT, Lines, Waiting

WAIT = 20  # seconds until a test gives up: a busy machine is no failure


class Clock:
    """Time that passes only where work says so, shared by all threads."""

    def __init__(self):
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    found = Clock()
    monkeypatch.setattr(scheduler, "time", found)
    return found


def first_step(job: Iterator):
    """Steps until the job has worked once; what it yielded then."""
    return next(step for step in job if not isinstance(step, Waiting))


def steps(name: str, log: list, count: int = 3) -> Iterator[str]:
    try:
        for number in range(count):
            log.append(f"{name}{number}")
            yield f"{name}{number}"
    finally:
        log.append(f"{name} closed")


def test_who_is_alone_waits_for_nobody():
    log = []
    assert list(Lines().run(SHORT, steps("a", log))) == ["a0", "a1", "a2"]
    assert log[-1] == "a closed"


def test_the_second_hears_its_place_and_comes_when_the_first_has_ended():
    lines, log = Lines(), []
    first, second = lines.run(SHORT, steps("a", log)), lines.run(SHORT, steps("b", log))
    next(first)
    assert next(second) == Waiting(1, None)
    assert list(first) == ["a1", "a2"]
    assert list(second) == ["b0", "b1", "b2"]
    assert log.index("a2") < log.index("b0")


def test_the_time_left_is_that_of_earlier_jobs_of_the_kind(clock):
    def work(seconds):
        yield "begun"
        clock.now += seconds
        yield "ended"

    lines = Lines()
    list(lines.run(SHORT, work(4.0), kind="watch"))
    first, second = lines.run(SHORT, work(4.0), kind="watch"), lines.run(SHORT, work(4.0), kind="watch")
    third = lines.run(SHORT, work(1.0))
    next(first)
    clock.now += 1
    assert next(second) == Waiting(1, 3.0)
    assert next(third) == Waiting(2, 7.0)


def test_who_leaves_the_line_or_stops_frees_the_place():
    lines, log = Lines(), []
    first, second, third = (lines.run(SHORT, steps(name, log)) for name in "abc")
    next(first), next(second), next(third)
    second.close()
    first.close()
    assert list(third) == ["c0", "c1", "c2"]
    assert "b0" not in log
    assert lines.waiting() == 0


def test_a_job_that_fails_frees_the_machine():
    def fails():
        yield 1
        raise ValueError("no")

    lines = Lines()
    with pytest.raises(ValueError, match="no"):
        list(lines.run(LONG, fails()))
    assert list(lines.run(LONG, steps("a", []))) == ["a0", "a1", "a2"]


def test_a_full_line_refuses_at_once_in_a_sentence():
    lines = Lines()
    jobs = [lines.run(SHORT, steps(str(number), [])) for number in range(MOST_WAITING + 1)]
    for job in jobs:
        next(job)
    assert lines.waiting() == MOST_WAITING
    with pytest.raises(ValueError, match=r"waiting already: try again"):
        next(lines.run(SHORT, steps("late", [])))
    jobs[7].close()
    assert isinstance(next(lines.run(SHORT, steps("later", []))), Waiting)


def test_a_visitor_has_one_long_job_and_may_press_again_after_a_cancel(clock, monkeypatch):
    lines = Lines()
    first = lines.run(LONG, steps("a", []), "me")
    next(first)
    again = lines.run(LONG, steps("b", []), "me")
    assert next(again) == Waiting(1, None)
    clock.now += scheduler.GRACE + 1
    with pytest.raises(ValueError, match="one long job"):
        next(again)
    other = lines.run(LONG, steps("c", []), "you")
    assert isinstance(next(other), Waiting)
    once_more = lines.run(LONG, steps("d", []), "me")
    next(once_more)
    first.close()
    other.close()
    assert first_step(once_more) == "d0"


def test_a_visitors_second_short_job_stands_after_the_first_of_others():
    lines, log = Lines(), []
    mine = [lines.run(SHORT, steps(f"mine{number}-", log, 1), "me") for number in range(3)]
    for job in mine:
        next(job)
    yours = lines.run(SHORT, steps("yours", log, 1), "you")
    next(yours)
    list(mine[0])
    assert list(yours) == ["yours0"]


def test_what_somebody_else_has_made_need_not_be_waited_for():
    lines, made = Lines(), []
    running = lines.run(LONG, steps("a", []), "you")
    next(running)
    first = lines.run(LONG, steps("b", []), "me", needless=lambda: bool(made))
    assert isinstance(next(first), Waiting)
    made.append(True)
    assert list(first) == ["b0", "b1", "b2"]


def test_long_work_gives_way_and_still_goes_on(clock):
    """Steps of one second each: between two long ones there are two short ones, in whatever order the threads come."""
    lines, order, there = Lines(), [], threading.Barrier(2, timeout=WAIT)

    def work(name, count):
        for _ in range(count):
            order.append(name)
            clock.now += 1.0
            yield

    def run(line, name, count):
        job = lines.run(line, work(name, count))
        next(job)
        there.wait()
        for _ in job:
            time.sleep(0.02)  # as the page takes a moment for each step

    threads = [threading.Thread(target=run, args=args, daemon=True) for args in ((LONG, "L", 8), (SHORT, "s", 8))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert sorted(order) == ["L"] * 8 + ["s"] * 8
    while_both = order[: len(order) - order[::-1].index("s")][2:]
    assert while_both.count("L") <= while_both.count("s") / 2 + 1
    assert while_both.count("L") >= 2


def test_one_step_at_a_time_has_the_machine():
    lines, inside, most = Lines(), [], []

    def work(name):
        for _ in range(20):
            inside.append(name)
            most.append(len(inside))
            time.sleep(0.001)
            inside.remove(name)
            yield

    jobs = [lines.run(line, work(str(number))) for number, line in enumerate((SHORT, SHORT, LONG, LONG))]
    threads = [threading.Thread(target=list, args=(job,), daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert max(most) == 1
    assert len(most) == 80


def test_alone_nothing_waits():
    lines = Lines(alone=True)
    jobs = [lines.run(LONG, steps(name, []), "me") for name in "ab"]
    assert [next(job) for job in jobs] == ["a0", "b0"]
