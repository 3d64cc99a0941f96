"""Who watches attention and who changes it: kept in a context variable, so that forwards of one model in two threads do not disturb each
other. The attention function (attention.py) asks; whoever only watches needs neither it nor transformers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from transformers import PretrainedConfig

ATTENTION_NAME = "sinkprune"

# (layer index, weights (B, H, Q, K) float32, real (B, Q) bool or None): real is False for the rows of padding tokens.
Watcher = Callable[[int, torch.Tensor, torch.Tensor | None], None]
# (layer index, query (B, H, Q, D), key (B, H_kv, K, D), value (B, H_kv, K, D)), query and key after RoPE.
InputWatcher = Callable[[int, torch.Tensor, torch.Tensor, torch.Tensor], None]
# (layer index, scores (B, H, Q, K) float32, hidden keys at the lowest number) -> the weights (B, H, Q, K) to use for them.
Change = Callable[[int, torch.Tensor], torch.Tensor]


class Present(NamedTuple):
    """Who is at a model's attention in this thread. change: the one in force, the innermost."""

    watchers: tuple[Watcher, ...] = ()
    input_watchers: tuple[InputWatcher, ...] = ()
    change: Change | None = None


NOBODY = Present()

_present: ContextVar[tuple[tuple[PretrainedConfig, str, Callable], ...]] = ContextVar("attention_present", default=())


def watch_attention(config: PretrainedConfig, watcher: Watcher):
    """Call `watcher` for each layer of each forward that the model owning `config` runs in this thread inside the block."""
    return _enter(config, "watcher", watcher)


def watch_inputs(config: PretrainedConfig, watcher: InputWatcher):
    """The same for queries, keys and values; keys and values are all that the forward attends to, cached ones too."""
    return _enter(config, "input_watcher", watcher)


def change_attention(config: PretrainedConfig, change: Change):
    """Let `change` turn scores into weights, instead of the softmax, in the same forwards. Watchers see the changed weights."""
    return _enter(config, "change", change)


def present_at(config: PretrainedConfig) -> Present:
    """Who watches or changes the attention of the model owning `config` in this thread."""
    everybody = _present.get()
    if not everybody:
        return NOBODY
    roles: dict[str, list[Callable]] = {"watcher": [], "input_watcher": [], "change": []}
    for watched, role, call in everybody:
        if watched is config:
            roles[role].append(call)
    return Present(tuple(roles["watcher"]), tuple(roles["input_watcher"]), (roles["change"] or [None])[-1])


@contextmanager
def _enter(config: PretrainedConfig, role: str, call: Callable) -> Iterator[None]:
    token = _present.set((*_present.get(), (config, role, call)))
    try:
        yield
    finally:
        _present.reset(token)
