"""What many visitors at once do to the page, on this machine only:

    python -m sinkprune.benchmarks.load [--visitors 50] [--seconds 600] [--json]
    python -m sinkprune.benchmarks.load --class 30

Both start `app.py` in a process and speak its real protocol.

The first: each visitor opens the page, plays a recorded run, and runs one prompt out of 40. One run in five compares, one in twenty is "All
methods", one in ten is left in the middle. Meanwhile one more visitor looks whether the page answers and recorded runs play.

The second, a class: so many visitors press the same comparison within 5 seconds. The time of the class is compared with that of one visitor
alone, on a fresh server each.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace

import httpx
import psutil

from sinkprune.benchmarks.app_process import app_process
from sinkprune.benchmarks.memory import Watch
from sinkprune.benchmarks.simulated import Outcome, Visitor

MOST_VISITORS, MOST_SECONDS = 200, 1200
SUBJECTS = (
    "the sky", "a star", "the sea", "rain", "a river", "bread", "a clock", "the moon", "a tree", "snow",
    "a bridge", "wind", "a seed", "salt", "a candle", "a mirror", "sleep", "a map", "an island", "a drum",
)  # fmt: skip
PROMPTS = tuple(
    f"{words} {subject}" for words in ("Why do we like", "Tell a short story about") for subject in SUBJECTS
)
BUTTONS = {"run": "run", "compare": "compare-run", "all methods": "all-run"}
METHODS = ("magnitude", "wanda", "structured", "sink-wanda", "sink-structured")
ENDS = ("done", "left", "cut off", "refused", "failed")  # cut off: not done when the load had ended
LAST_SECONDS = 60.0  # after the end of the load, for what is under way then
CLASS_SECONDS = 5.0  # within which a class presses
LINK = {"prompt": "Why is the sky blue", "method": "wanda"}


@dataclass(frozen=True)
class Press:
    """One press of one visitor. kind: of BUTTONS."""

    kind: str
    outcome: Outcome


def visit(address: str, until: float, chance: random.Random) -> list[Press]:
    """One visitor until a time (`time.monotonic`): looks, plays, runs, thinks, and again."""
    visitor, presses = Visitor(address), []
    try:
        while time.monotonic() < until:
            visitor.play(chance.randrange(10))
            time.sleep(chance.uniform(1, 5))
            kind = chance.choices(list(BUTTONS), (0.75, 0.2, 0.05))[0]
            values = {"prompt": chance.choice(PROMPTS), "method": chance.choice(METHODS)}
            stays = until + LAST_SECONDS - time.monotonic()
            leaves = chance.uniform(1, 10) if chance.random() < 0.1 else None
            outcome = _press(visitor, kind, values, stays if leaves is None else leaves)
            if outcome.ended == "left" and leaves is None:
                outcome = replace(outcome, ended="cut off")
            presses.append(Press(kind, outcome))
            if outcome.ended in ("left", "cut off"):
                visitor.close()
                visitor = Visitor(address)
            time.sleep(chance.uniform(2, 15))
    finally:
        visitor.close()
    return presses


def _press(visitor: Visitor, kind: str, values: dict, leaves: float | None = None) -> Outcome:
    began = time.perf_counter()
    try:
        return visitor.press(BUTTONS[kind], values, leaves)
    except httpx.HTTPError as error:
        return Outcome("failed", repr(error), None, time.perf_counter() - began)


def under_load(visitors: int, seconds: float) -> dict:
    """Runs the visitors; everything that the table says, as JSON values."""
    with app_process() as app:
        memory = Watch(app.process.pid)
        wait_for_model(app.address)
        before, looks, until = memory.now, Looks(app.address), time.monotonic() + seconds
        with ThreadPoolExecutor(visitors) as together:
            chances = [random.Random(number) for number in range(visitors)]
            found = list(together.map(lambda chance: visit(app.address, until, chance), chances))
        page, preset = looks.stop()
        presses = [press for one in found for press in one]
        return {
            "presses": [{"kind": press.kind, **asdict(press.outcome)} for press in presses],
            "megabytes": {"before": before, "peak": memory.peak, "after": memory.now},
            "page": page,
            "preset": preset,
        }


def wait_for_model(address: str) -> None:
    """Returns when the model has written once."""
    visitor = Visitor(address)
    outcome = visitor.press("run", {"prompt": "Hello", "Answer length": 32})
    visitor.close()
    if outcome.ended != "done":
        raise RuntimeError(f"the model does not write: {outcome.words}")


class Looks:
    """A visitor who only looks, every two seconds: does the page answer, does a recorded run play?"""

    def __init__(self, address: str) -> None:
        self._visitor, self._end = Visitor(address), threading.Event()
        self._page, self._preset = [], []
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> tuple[list[float], list[float]]:
        """(seconds of the page, seconds of a recorded run), a look that failed is infinite."""
        self._end.set()
        self._thread.join()
        return self._page, self._preset

    def _look(self) -> None:
        while not self._end.wait(2.0):
            self._page.append(_timed(self._visitor.open))
            self._preset.append(_timed(lambda: self._visitor.play(len(self._page))))


def _timed(look: Callable[[], float]) -> float:
    try:
        return look()
    except httpx.HTTPError:
        return float("inf")


def a_class(size: int) -> dict:
    """{"alone": seconds of one visitor, "together": seconds of each of the class}, on a fresh server each; who is not done is infinite."""
    return {"alone": _one_link(1)[0], "together": _one_link(size)}


def _one_link(size: int) -> list[float]:
    with app_process() as app:
        wait_for_model(app.address)
        chance = random.Random(0)
        delays = [chance.uniform(0, CLASS_SECONDS) if size > 1 else 0.0 for _ in range(size)]

        def press(delay: float) -> float:
            visitor = Visitor(app.address)
            time.sleep(delay)
            outcome = _press(visitor, "compare", LINK)
            visitor.close()
            return outcome.seconds if outcome.ended == "done" else float("inf")

        with ThreadPoolExecutor(size) as together:
            return list(together.map(press, delays))


def print_load(found: dict) -> None:
    """The table of a load."""
    print(
        f"{'':<14}{'presses':>8} " + "".join(f"{ended:>8}" for ended in ENDS) + f"{'first tokens, s':>24}{'end, s':>18}"
    )
    for kind in BUTTONS:
        rows = [row for row in found["presses"] if row["kind"] == kind]
        counted = "".join(f"{sum(row['ended'] == ended for row in rows):>8}" for ended in ENDS)
        firsts = [row["first"] for row in rows if row["first"] is not None]
        ends = [row["seconds"] for row in rows if row["ended"] == "done"]
        print(f"{kind:<14}{len(rows):>8} {counted}{spread(firsts):>24}{spread(ends):>18}")
    for words in sorted({row["words"] for row in found["presses"] if row["ended"] in ("refused", "failed")}):
        print(f"  {words}")
    print(f"the page answers in {spread(found['page'])} s, a recorded run is there in {spread(found['preset'])} s")
    print("megabytes: " + ", ".join(f"{when} {size:.0f}" for when, size in found["megabytes"].items()))


def spread(seconds: Sequence[float]) -> str:
    """Median and 95 % of a list of seconds."""
    if not seconds:
        return "none"
    ordered = sorted(seconds)
    return f"{statistics.median(ordered):.1f}, 95 % {ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]:.1f}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the page under many visitors, or under a class that opens one link."""
    parser = argparse.ArgumentParser(prog="python -m sinkprune.benchmarks.load", description=main.__doc__)
    parser.add_argument("--visitors", type=int, default=50, help="at once (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=600.0, help="how long they come (default: %(default)s)")
    parser.add_argument("--class", type=int, dest="size", metavar="N", help="instead: N visitors of one link")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    if not 0 < (options.size or options.visitors) <= MOST_VISITORS or not 0 < options.seconds <= MOST_SECONDS:
        parser.error(f"at most {MOST_VISITORS} visitors and {MOST_SECONDS} seconds, and at least one")
    if not options.json:
        print(f"{psutil.cpu_count()} cores, load before: {psutil.getloadavg()[0]:.1f}")
    found = a_class(options.size) if options.size else under_load(options.visitors, options.seconds)
    if options.json:
        print(json.dumps(found, indent=1))
    elif options.size:
        slowest = max(found["together"])
        print(
            f"one alone: {found['alone']:.1f} s; {options.size} of one link: {spread(found['together'])}, slowest {slowest:.1f} s"
        )
        print(f"slowest of the class / one alone: {slowest / found['alone']:.2f}")
    else:
        print_load(found)


if __name__ == "__main__":
    main()
