"""Who watches attention: kept in a context variable, so that a watched and an unwatched forward of the same model in two threads do not
disturb each other. The attention function (attention.py) asks; whoever only watches needs neither it nor transformers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from transformers import PretrainedConfig

ATTENTION_NAME = "sinkprune"

# (layer index, weights (B, H, Q, K) float32, real (B, Q) bool or None): real is False for the rows of padding tokens.
Watcher = Callable[[int, torch.Tensor, torch.Tensor | None], None]

_watchers: ContextVar[tuple[tuple[PretrainedConfig, Watcher], ...]] = ContextVar("attention_watchers", default=())


@contextmanager
def watch_attention(config: PretrainedConfig, watcher: Watcher) -> Iterator[None]:
    """Call `watcher` for each layer of each forward that the model owning `config` runs in this thread inside the block."""
    token = _watchers.set((*_watchers.get(), (config, watcher)))
    try:
        yield
    finally:
        _watchers.reset(token)


def watchers_of(config: PretrainedConfig) -> list[Watcher]:
    """Who watches the model owning `config` in this thread."""
    return [watcher for watched, watcher in _watchers.get() if watched is config]
