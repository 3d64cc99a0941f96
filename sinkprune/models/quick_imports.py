"""Imports without garbage collection between them: they make half a million objects that stay, and every collection looks at all of them.

On the imports of a first load, torch and transformers, that was an eighth of the CPU time.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quick_imports() -> Iterator[None]:
    """No garbage collection inside the block; afterwards collection is as it was."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
