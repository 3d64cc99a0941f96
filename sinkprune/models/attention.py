"""The attention function every loaded model runs, and how to watch it or change it.

The function is registered once with transformers and stays installed, so watching (watching.py) needs no switch on the shared model.
A change (decoding/interventions.py) turns the scores into weights instead of the softmax; the output then comes from these weights.
Watchers get the attention weights one layer at a time, and nothing of size N x N is kept. Watching changes no output by a single bit:

- on a CPU, up to MOST_EXPLICIT_ROWS rows, the weights are computed anyway: matrix products and a softmax. Watching is almost free there,
  and the page, which nearly always watches, forwards no more rows than that;
- else SDPA computes the output, and the weights are computed a second time beside it, only for the watchers. One layer's attention over
  1024 rows takes an SDPA on a CPU a sixth (bfloat16) to a third (float32) of the time.
"""

from __future__ import annotations

from functools import partial

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from sinkprune.models.watching import ATTENTION_NAME, present_at

MOST_EXPLICIT_ROWS = 256


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,  # (B, H, Q, D)
    key: torch.Tensor,  # (B, H_kv, K, D)
    value: torch.Tensor,  # (B, H_kv, K, D)
    attention_mask: torch.Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    is_causal: bool | None = None,
    **kwargs,
) -> tuple[torch.Tensor, None]:
    """transformers' attention interface; returns (output (B, Q, H, D), None)."""
    present = present_at(module.config)
    explicit = is_explicit(query) or present.change is not None
    for watcher in present.input_watchers:
        watcher(module.layer_idx, query, key, value)
    if present.watchers or explicit:
        causal = module.is_causal if is_causal is None else is_causal
        seen = _causal_mask(query, key) if attention_mask is None and causal and query.shape[2] > 1 else attention_mask
        turn = softmax if present.change is None else partial(present.change, module.layer_idx)
        weights = turn(_attention_scores(query, key, seen, scaling))  # the scores are not kept: they are as large
        for watcher in present.watchers:
            watcher(module.layer_idx, weights, _real_rows(seen, query.shape[2], key.shape[2]))
    if explicit:
        return _weighted_values(weights, value), None
    return sdpa_attention_forward(
        module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, is_causal=is_causal, **kwargs
    )


def is_explicit(query: torch.Tensor) -> bool:
    """Whether the output comes from explicit weights (True) or from SDPA, where nobody changes the attention."""
    return query.device.type == "cpu" and query.shape[2] <= MOST_EXPLICIT_ROWS


def softmax(scores: torch.Tensor) -> torch.Tensor:
    """The attention weights (B, H, Q, K) float32 of scores (B, H, Q, K)."""
    return torch.softmax(scores, dim=-1, dtype=torch.float32)


def _attention_scores(
    query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor | None, scaling: float
) -> torch.Tensor:
    """(B, H, Q, K) float32, hidden keys at the lowest number. The query heads of one key head are stacked as rows, keys not repeated.

    Scores are computed in float32 as SDPA's kernels do: rounded to bfloat16, a score of 16 would be off by up to 6 %.
    """
    batch, heads, rows, width = query.shape
    grouped = (query.float() * scaling).reshape(batch, key.shape[1], -1, width)  # (B, H_kv, H/H_kv * Q, D)
    scores = (grouped @ key.float().transpose(2, 3)).view(batch, heads, rows, key.shape[2])
    if mask is not None:
        lowest = torch.finfo(scores.dtype).min
        scores = scores.masked_fill_(~mask, lowest) if mask.dtype == torch.bool else scores + mask.float()
    return scores


def _weighted_values(weights: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """(B, Q, H, D) from weights (B, H, Q, K) and value (B, H_kv, K, D)."""
    batch, heads, rows, keys = weights.shape
    grouped = weights.to(value.dtype).view(batch, value.shape[1], -1, keys)
    output = (grouped @ value).view(batch, heads, rows, value.shape[3])
    return output.transpose(1, 2).contiguous()


def _causal_mask(query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
    """(1, 1, Q, K), row q sees keys 0..q, as SDPA's is_causal does."""
    return torch.ones(query.shape[2], key.shape[2], dtype=torch.bool, device=query.device).tril()[None, None]


def _real_rows(mask: torch.Tensor | None, rows: int, keys: int) -> torch.Tensor | None:
    """(B, Q), which query rows are tokens and not padding: a token may attend to itself, padding may not.

    Queries are taken to be the last Q keys, which holds for every forward but one into the middle of a padded cache.
    """
    if mask is None:
        return None
    itself = mask[:, 0].diagonal(keys - rows, dim1=1, dim2=2)  # (B, Q)
    return itself if itself.dtype == torch.bool else itself > torch.finfo(itself.dtype).min / 2


AttentionInterface.register(ATTENTION_NAME, attend)
# Without its own mask function transformers would hand every mask over as None and padding would be attended to.
AttentionMaskInterface.register(ATTENTION_NAME, sdpa_mask)
