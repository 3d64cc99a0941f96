"""How much memory the app takes, before and after pruning by every method, each copy used to write an answer:

    python -m sinkprune.benchmarks.memory [--samples 16] [--together 4]

starts `app.py` in a process and calls its endpoints as visitors' scripts would. It prints the resident memory of that process after each
call, and the peak since the call before. In the end several visitors ask for different pruned models at once.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import psutil
from gradio_client import Client

from sinkprune.benchmarks.app_process import app_process
from sinkprune.pruning import METHODS, STRUCTURED, UNSTRUCTURED

PRUNINGS = [(name, 0.3 if name in STRUCTURED else 0.5) for name in METHODS] + [(name, 0.7) for name in UNSTRUCTURED[:3]]
ANSWER = {"prompt": "Tell a story about a fox", "gen_length": 96, "block_length": 32}
LOOK_EVERY = 0.05  # seconds between two looks at the memory


class Watch:
    """The resident memory of a process in MB: `now`, and `peak` since the watch began or `forget` was called."""

    def __init__(self, process: int) -> None:
        self._process = psutil.Process(process)
        self.peak = 0.0
        threading.Thread(target=self._look, daemon=True).start()

    @property
    def now(self) -> float:
        self.peak = max(self.peak, megabytes := self._process.memory_info().rss / 2**20)
        return megabytes

    def forget(self) -> None:
        self.peak = 0.0

    def _look(self) -> None:
        while self._process.is_running():
            try:
                _ = self.now
            except psutil.NoSuchProcess:
                return
            time.sleep(LOOK_EVERY)


def measure(samples: int, together: int) -> None:
    """Print a line after each call."""
    with app_process() as app:
        client, watch = Client(app.address, verbose=False), Watch(app.process.pid)
        client.predict(**ANSWER, api_name="/generate")
        before = _say(watch, "the dense model has written an answer")
        for method, sparsity in PRUNINGS:
            _compare(client, method, sparsity, samples)
            _say(watch, f"{method} at {sparsity:.0%} compared")
        with ThreadPoolExecutor(together) as visitors:
            list(visitors.map(lambda one: _compare(client, *one, samples), PRUNINGS[:together]))
        after = _say(watch, f"{together} visitors compared {together} pruned models")
        print(f"before {before:.0f} MB, after {after:.0f} MB")


def _compare(client: Client, method: str, sparsity: float, samples: int) -> None:
    client.predict(**ANSWER, method=method, sparsity=sparsity, samples=samples, api_name="/compare")


def _say(watch: Watch, what: str) -> float:
    now, peak = watch.now, watch.peak
    watch.forget()
    print(f"{now:6.0f} MB, peak {peak:6.0f} MB  {what}", flush=True)
    return now


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the app's memory before and after pruning by every method."""
    parser = argparse.ArgumentParser(prog="python -m sinkprune.benchmarks.memory", description=main.__doc__)
    parser.add_argument("--samples", type=int, default=16, help="calibration sequences of each pruning")
    parser.add_argument("--together", type=int, default=4, help="visitors that ask at once in the end")
    options = parser.parse_args(arguments)
    measure(options.samples, options.together)


if __name__ == "__main__":
    main()
