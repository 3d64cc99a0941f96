"""Which tokens to commit: pure functions of the logits of the masked positions. They know no model and no cache.

MASK is never chosen, but stays in the softmax sum: taking it out would change confidences, and with them what the official code writes.
"""

from __future__ import annotations

import math

import torch

from sinkprune.decoding.records import Candidates, DecodeConfig


def best_tokens(
    logits: torch.Tensor, mask_token_id: int | None, temperature: float = 0.0, generator: torch.Generator | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """(tokens (R,) int64, confidence (R,) float32) from logits (R, V): the best token of each row but MASK, and its probability.

    With a temperature the token is drawn by Gumbel noise in float64 (from `generator`, on the CPU); confidence stays the probability at
    temperature 1, as in LLaDA's sampler.
    """
    choice = logits.to(torch.float32, copy=True)
    probability = choice.softmax(dim=-1)
    if temperature > 0:
        choice = _with_gumbel_noise(choice, temperature, generator)
    if mask_token_id is not None:
        choice[:, mask_token_id] = -torch.inf
    tokens = choice.argmax(dim=-1)
    return tokens, probability.gather(-1, tokens[:, None])[:, 0]


def likeliest(logits: torch.Tensor, positions: torch.Tensor, mask_token_id: int, count: int = 5) -> Candidates:
    """The `count` likeliest tokens but MASK of the positions (R,) that logits (R, V) predict; probabilities as `best_tokens` gives them."""
    probability = logits.float().softmax(dim=-1)
    probability[:, mask_token_id] = -1  # below every other, so that it is never among them
    best = probability.topk(min(count, probability.shape[1] - 1), dim=-1)
    return Candidates(positions, best.indices.cpu().clone(), best.values.cpu().clone())


def negative_entropy(logits: torch.Tensor) -> torch.Tensor:
    """(R,) float32, sum of p log p: how Dream ranks positions; 0 is certain."""
    log_p = logits.float().log_softmax(dim=-1)
    return (log_p.exp() * log_p).sum(dim=-1)


def choose(confidence: torch.Tensor, config: DecodeConfig, steps_left: int) -> torch.Tensor:
    """(C,) indices into `confidence` (R,) to commit now, at least one: by threshold, by factor, or evenly over the steps left."""
    order = confidence.argsort(descending=True)
    ranked = confidence[order]
    if config.threshold is not None:
        count = int((ranked >= config.threshold).sum())
    elif config.factor is not None:
        count = _count_by_factor(ranked, config.factor)
    else:
        count = math.ceil(ranked.numel() / max(1, steps_left))
    return order[: max(1, count)]


def _count_by_factor(ranked: torch.Tensor, factor: float) -> int:
    """How many of the confidences (R,), highest first, Fast-dLLM's code commits (arXiv 2505.22618, eq. 3).

    The first one passes; the n-th passes from 1 - factor / (n + 1) on. Where only the last one fails, that code commits it too.
    """
    nth = torch.arange(2, ranked.numel() + 1, device=ranked.device)
    passing = ranked[1:] >= 1 - factor / (nth + 1)  # the bound grows with n, so those that pass come first
    count = 1 + int(passing.sum())
    return ranked.numel() if count == ranked.numel() - 1 else count


def _with_gumbel_noise(logits: torch.Tensor, temperature: float, generator: torch.Generator | None) -> torch.Tensor:
    uniform = torch.rand(logits.shape, dtype=torch.float64, generator=generator).to(logits.device)
    return logits.double() - temperature * (-uniform.log()).log()
