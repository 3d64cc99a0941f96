"""Which cached keys and values a block keeps: the sparse cache. Every policy is one score for each key outside the block.

The idea is Sparse-dLLM's (arXiv 2508.02558). Once per block, during a full forward, every layer scores the keys outside the block. The
layer keeps a share of these keys, the same for all its heads.
Later forwards of the block see these and the block itself. Policies ("keep"):

- "attention": the attention that the block's rows give to the key, mean over rows and heads;
- "official": Sparse-dLLM's score, the mean query of the block times the key, without softmax and scaling;
- "sinks" and "no-sinks": "attention", but the layer's four leading columns of the forward's whole mass are kept first, or dropped first;
- "random": the control at the same budget.

Candidates are the keys outside the block in canvas order, as if the block were cut out; kernel pools neighbours among them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import torch

from sinkprune.decoding.checks import is_whole
from sinkprune.models.watching import watch_attention, watch_inputs

if TYPE_CHECKING:
    from transformers import PretrainedConfig

    from sinkprune.decoding.records import DecodeConfig

POLICIES = ("attention", "official", "sinks", "no-sinks", "random")
SINKS = 4  # columns that "sinks" and "no-sinks" single out in each layer
MAX_KERNEL = 63
MAX_DELAY = 64


def check_eviction(config: DecodeConfig) -> None:
    """Raise ValueError where the sparse cache's settings are out of bounds, or set without that cache."""
    if config.keep not in POLICIES:
        raise ValueError(f"keep must be one of {', '.join(POLICIES)}, not {config.keep!r}")
    if not 0.0 <= config.retention <= 1.0:
        raise ValueError(f"retention is the share of keys that stay, from 0 to 1, not {config.retention}")
    if not is_whole(config.kernel, 1, MAX_KERNEL) or config.kernel % 2 == 0:
        raise ValueError(f"kernel must be an odd whole number from 1 (no pooling) to {MAX_KERNEL}, not {config.kernel}")
    if not is_whole(config.delay, 0, MAX_DELAY):
        raise ValueError(f"delay must be a whole number of forwards from 0 to {MAX_DELAY}, not {config.delay}")
    if config.cache != "sparse":
        for name in ("retention", "kernel", "delay", "keep"):
            if getattr(config, name) != getattr(type(config), name):
                raise ValueError(f'{name} is a setting of the sparse cache: use cache="sparse", or leave {name} out')


def block_importance(query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
    """(K,) Sparse-dLLM's score from the block's queries (H, Q, D) and keys (H_kv, K, D), both after RoPE.

    The queries of each head are averaged first; a query head meets its own key head; the mean over query heads is the score.
    """
    mean = query.float().mean(1).view(key.shape[0], -1, key.shape[-1])  # (H_kv, H/H_kv, D)
    return (mean @ key.float().transpose(1, 2)).flatten(0, 1).mean(0)


def pooled(score: torch.Tensor, kernel: int) -> torch.Tensor:
    """(C,) the highest score among each candidate and its neighbours, `kernel` (odd) of them in all; 1 is no pooling."""
    return torch.nn.functional.max_pool1d(score[None], kernel, stride=1, padding=kernel // 2)[0]


def keep_best(score: torch.Tensor, count: int) -> torch.Tensor:
    """(count,) ascending indices of the `count` best of score (C,); of equal scores the lower index is kept."""
    return score.argsort(descending=True, stable=True)[:count].sort().values


def sinks_first(score: torch.Tensor, mass: torch.Tensor, count: int = SINKS) -> torch.Tensor:
    """(C,) score with the `count` leading columns of mass (C,) above all others."""
    return score.index_fill(0, keep_best(mass, count), torch.inf)


def sinks_last(score: torch.Tensor, mass: torch.Tensor, count: int = SINKS) -> torch.Tensor:
    """(C,) score with the `count` leading columns of mass (C,) below all others."""
    return score.index_fill(0, keep_best(mass, count), -torch.inf)


def outside(values: torch.Tensor, block: tuple[int, int]) -> torch.Tensor:
    """(N - b,) the values (N,) of the positions outside the block (start, end), in canvas order."""
    return torch.cat([values[: block[0]], values[block[1] :]])


def columns_kept(scores: torch.Tensor, retention: float, block: tuple[int, int]) -> torch.Tensor:
    """(L, K) ascending canvas positions that each layer keeps: the block, and the best floor(retention C) by scores (L, C)."""
    start, end = block
    count = int(retention * scores.shape[1])
    best = torch.stack([keep_best(score, count) for score in scores])
    best = torch.where(best < start, best, best + (end - start))  # from candidates to positions
    return torch.cat([best, torch.arange(start, end).expand(len(scores), -1)], dim=1).sort(dim=1).values


class BlockScores:
    """The scores of one block: of each layer (N - b,), gathered while a full forward runs inside `watching`."""

    def __init__(self, config: DecodeConfig, block: tuple[int, int], length: int, layers: int) -> None:
        self._config, self._block = config, block
        self._scores: dict[int, torch.Tensor] = {}
        if config.keep == "random":
            generator = torch.Generator().manual_seed(config.seed * 1_000_003 + block[0])
            self._scores = dict(enumerate(torch.rand(layers, length - (block[1] - block[0]), generator=generator)))

    @contextmanager
    def watching(self, config: PretrainedConfig) -> Iterator[None]:
        """Gather scores in the forwards of the model owning `config` inside the block."""
        with ExitStack() as stack:
            if self._config.keep == "official":
                stack.enter_context(watch_inputs(config, self._from_inputs))
            elif self._config.keep != "random":
                stack.enter_context(watch_attention(config, self._from_attention))
            yield

    def columns(self) -> torch.Tensor:
        """(L, K) what each layer keeps, on the CPU."""
        scores = torch.stack([self._scores[layer].cpu() for layer in sorted(self._scores)])
        return columns_kept(scores, self._config.retention, self._block)

    def _from_inputs(self, layer: int, query: torch.Tensor, key: torch.Tensor, _value: torch.Tensor) -> None:
        score = block_importance(query[0][:, slice(*self._block)], key[0])
        self._scores[layer] = pooled(outside(score, self._block), self._config.kernel)

    def _from_attention(self, layer: int, weights: torch.Tensor, _real: torch.Tensor | None) -> None:
        score = outside(weights[0][:, slice(*self._block)].mean((0, 1)), self._block)
        score = pooled(score, self._config.kernel)
        if self._config.keep != "attention":
            single_out = sinks_first if self._config.keep == "sinks" else sinks_last
            score = single_out(score, outside(weights[0].sum((0, 1)), self._block))
        self._scores[layer] = score
