"""The whole page on a random model, in this process, started once for the session.

The model has the bundled one's layers and heads, and is narrow. Its runs and prunes wait a moment at every step: however fast the machine,
there is time to stop them.
"""

from __future__ import annotations

import atexit
import functools
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

from sinkprune.ui.page import LAUNCH, build_page
from sinkprune.ui.server.scheduler import LONG, SHORT
from tests.tiny_bench import tiny_bench

SHAPE = {
    "hidden_size": 90,
    "intermediate_size": 120,
    "num_hidden_layers": 12,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
}
MOMENT = {SHORT: 0.02, LONG: 0.1}  # seconds, for each step of such a job


@functools.cache
def tiny_app_address() -> str:
    """The address of the running page."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        bench = tiny_bench(Path(folder), **SHAPE)
        bench.lines.run = slowly(bench.lines.run)
        demo = build_page(bench)
        _, address, _ = demo.launch(prevent_thread_lock=True, quiet=True, **LAUNCH)
        stack.callback(demo.close)
        atexit.register(stack.pop_all().close)
    return address


def slowly(run: Callable[..., Iterator]) -> Callable[..., Iterator]:
    """`Lines.run` with a moment after each step."""

    def slow(line: str, *arguments: object, **options: object) -> Iterator:
        with closing(run(line, *arguments, **options)) as running:
            for step in running:
                yield step
                time.sleep(MOMENT[line])

    return slow
