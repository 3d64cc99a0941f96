"""The autoregressive lane: the same weights with a causal mask write one token after the other, and yield the same `Step` records."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import nullcontext

import torch
from transformers import DynamicCache

from sinkprune.decoding.checks import check_finite, check_prompt_ids
from sinkprune.decoding.commit import best_tokens
from sinkprune.decoding.packing import packed_view
from sinkprune.decoding.records import Step
from sinkprune.models import LoadedModel, causal_view
from sinkprune.sinks import record_attention


def autoregress(loaded: LoadedModel, prompt_ids: torch.Tensor, gen_length: int, record: bool = False) -> Iterator[Step]:
    """Greedy next-token generation with a key-value cache: at most `gen_length` tokens, the end token included and last.

    Each step's canvas ends with the token it committed. Its column mass is exact: causal rows never change, so the rows computed so far
    are summed up. The newest token has no row yet; rows is (0, N - 1) and its own mass 0.
    Raises ValueError at the call for weights that only denoise (`spec.causal` False) and for a prompt that does not fit.
    """
    if gen_length < 1:
        raise ValueError(f"gen_length must be at least 1, not {gen_length}")
    return _autoregress(causal_view(loaded), check_prompt_ids(loaded, prompt_ids, gen_length), gen_length, record)


def _autoregress(causal: LoadedModel, canvas: torch.Tensor, gen_length: int, record: bool) -> Iterator[Step]:
    causal = packed_view(causal)
    cache = DynamicCache()
    mass = None
    seconds = 0.0
    for index in range(gen_length):
        began = time.perf_counter()
        fresh = canvas if index == 0 else canvas[:, -1:]
        token, confidence, rows_mass = _forward(causal, fresh, cache, record)
        mass = _running_mass(mass, rows_mass) if record else None
        position = canvas.shape[1]
        canvas = torch.cat([canvas, torch.tensor([[token]])], dim=1)
        seconds += time.perf_counter() - began
        yield Step(
            index=index,
            block=0,
            nfe=index + 1,
            canvas=canvas.clone(),
            committed=torch.tensor([position]),
            confidence=torch.full((position + 1,), torch.nan).index_fill(0, torch.tensor([position]), confidence),
            rows=(0, position),
            seconds=seconds,
            column_mass=mass,
        )
        if token in causal.spec.end_token_ids:
            return


def _forward(
    causal: LoadedModel, fresh: torch.Tensor, cache: DynamicCache, record: bool
) -> tuple[int, float, torch.Tensor | None]:
    """(token, its probability, column mass (L, H, K) of the rows in `fresh` (1, Q))."""
    with torch.inference_mode(), record_attention(causal) if record else nullcontext() as recording:
        logits = causal.model(fresh.to(causal.device), past_key_values=cache, use_cache=True, logits_to_keep=1).logits[
            0
        ]
        token, confidence = best_tokens(logits, causal.spec.mask_token_id)
        check_finite(confidence)
    return int(token), float(confidence), recording.column_mass[:, 0].cpu() if record else None


def _running_mass(before: torch.Tensor | None, rows: torch.Tensor) -> torch.Tensor:
    """(L, H, K + 1): the mass so far plus that of the new rows (L, H, K), and a 0 for the token about to be committed."""
    total = torch.zeros(*rows.shape[:2], rows.shape[2] + 1)
    total[..., :-1] = rows
    if before is not None:
        total[..., :-1] += before
    return total
