"""The known models as rows to read: what each is, what it needs on this machine, and why one cannot run here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from sinkprune.models.hub import read_config
from sinkprune.models.layouts import convert_config
from sinkprune.models.placement import default_device, default_dtype
from sinkprune.models.registry import MODELS, ModelInfo
from sinkprune.models.sizes import Needs, empty_model, free_memory, needs

GIB = 2**30
REFERENCE = "A reference without masks, for Python (autoregress, prune_model): it does not denoise."
SLOW = 2.0  # billions of parameters
KINDS = {
    "fits": "runs and can be pruned",
    "runs": "runs",
    "reference": "autoregressive",
    "large": "too large",
    "other": "another engine",
}


@dataclass(frozen=True)
class ModelRow:
    """needs: what it takes to load and, beside it, to prune, in GiB; None where it cannot run whatever the memory.

    verdict: one of KINDS. why: one sentence.
    """

    info: ModelInfo
    needs: tuple[float, float] | None
    verdict: str
    why: str

    @property
    def loads(self) -> bool:
        return self.verdict in ("fits", "runs")


def model_rows(quantize: str | None = None, device: torch.device | None = None) -> list[ModelRow]:
    """One row a registry entry, for this machine's device or the given one."""
    place = device or torch.device(default_device())
    free = free_memory(place)
    return [_row(info, quantize, place, free) for info in MODELS.values()]


def _row(info: ModelInfo, quantize: str | None, device: torch.device, free: int) -> ModelRow:
    if info.refusal:
        return ModelRow(info, None, "other", f"Not here: {info.refusal}.")
    needed = _needs(info.name, default_dtype(torch.bfloat16, device), quantize)
    sizes = (needed.load / GIB, needed.prune / GIB)
    kind = device.type.upper()
    slow = f" On a {kind} an answer takes minutes." if kind == "CPU" and info.parameters > SLOW else ""
    if needed.load > free:
        return ModelRow(info, sizes, "large", f"{kind} memory: {free / GIB:.1f} GiB free of {sizes[0]:.1f} GiB needed.")
    if info.causal_only:
        return ModelRow(info, sizes, "reference", REFERENCE)
    if quantize is not None:
        return ModelRow(info, sizes, "runs", f"To look and to write; pruning needs the weights in 16 or 32 bits.{slow}")
    if needed.load + needed.prune > free:
        return ModelRow(
            info, sizes, "runs", f"To look and to write; there is too little memory for a pruned copy.{slow}"
        )
    return ModelRow(info, sizes, "fits", slow.strip())


@lru_cache(maxsize=128)
def _needs(name: str, dtype: torch.dtype, quantize: str | None) -> Needs:
    info = MODELS[name]
    raw = (
        read_config(info)
        if isinstance(info.source, Path)
        else {"mask_token_id": 0, **dict(info.defaults), **info.shape}
    )
    config, _ = convert_config(raw)
    return needs(empty_model(config), dtype, quantize)
