"""What we run: the registry of known models, loading, checkpoint layouts, the watched attention function, prompts and texts.

Importing it does not wait for transformers' models and accelerate, seconds that a page does not need: the first load waits.
"""

from __future__ import annotations

from pathlib import Path

import torch

from sinkprune.models.chat import decode_answer, encode_prompt, running_texts, token_texts
from sinkprune.models.direction import causal_prompt, causal_view, set_causal
from sinkprune.models.quick_imports import quick_imports
from sinkprune.models.registry import MODELS, ModelInfo
from sinkprune.models.saving import check_save, left_behind, save_model
from sinkprune.models.spec import LoadedModel, ModelSpec
from sinkprune.models.writing import check_target

__all__ = [
    "MODELS",
    "LoadedModel",
    "ModelInfo",
    "ModelSpec",
    "causal_prompt",
    "causal_view",
    "check_save",
    "check_target",
    "decode_answer",
    "encode_prompt",
    "left_behind",
    "load_model",
    "running_texts",
    "save_model",
    "set_causal",
    "token_texts",
]


def load_model(
    name_or_path: str | Path,
    *,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    quantize: str | None = None,
    device_map: str | dict | None = None,
) -> LoadedModel:
    """A diffusion language model in eval mode, with its tokenizer and spec: see `sinkprune.models.loading.load_model`."""
    with quick_imports():
        from sinkprune.models import loading

    return loading.load_model(name_or_path, device=device, dtype=dtype, quantize=quantize, device_map=device_map)
