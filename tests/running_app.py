"""The real application for tests: `python app.py` in a process of its own, started once for the whole session."""

from __future__ import annotations

import atexit
import functools
from contextlib import ExitStack

from sinkprune.benchmarks.app_process import app_process


@functools.cache
def app_address() -> str:
    """The address of the running application; the process ends with this one."""
    running = ExitStack()
    atexit.register(running.close)
    return running.enter_context(app_process()).address
