"""The events of the page that do not run the model, and the pace at which work says where it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator

STATE_SECONDS = 3600  # a visitor's last trace is a few MB: it goes when they have been away this long
QUICK_EVENT = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
EVERY = 0.25  # seconds between two signs of life


def now_and_then(steps: Iterator, skipped: type | tuple[type, ...] = object) -> Iterator:
    """Leaves out steps of the type `skipped` that come within `EVERY` seconds of the one before, but never the last of all."""
    told, held = 0.0, None
    for step in steps:
        held = step
        if not isinstance(step, skipped) or time.monotonic() - told > EVERY:
            told, held = time.monotonic(), None
            yield step
    if held is not None:
        yield held


def telling(steps: Generator, tell: Callable[[object], object]) -> Generator:
    """Yields `tell(step)` for each step of a generator, so that whoever waits can leave; returns what the generator returns."""
    while True:
        try:
            step = next(steps)
        except StopIteration as done:
            return done.value
        yield tell(step)
