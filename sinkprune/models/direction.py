"""Which way attention looks: bidirectional (diffusion) or causal (autoregressive), the same weights either way.

transformers asks two places: `config.is_causal` for a whole forward and `self_attn.is_causal` when a layer is called on its own. Both are
set here, together. The per-call argument `is_causal=` is not used: it writes to the shared config during the forward, which another thread
would see. A causal forward runs on a causal view instead.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import torch

from sinkprune.models.copies import copy_sharing_tensors
from sinkprune.models.spec import LoadedModel

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def set_causal(model: PreTrainedModel, causal: bool) -> None:
    """Make every forward of `model`, and of each of its layers, causal or bidirectional."""
    model.config.is_causal = causal
    for layer in model.model.layers:
        layer.self_attn.is_causal = causal


def causal_view(loaded: LoadedModel) -> LoadedModel:
    """The same weights in a second, causal model object: nothing is copied but the module tree (a few milliseconds).

    Raises ValueError where the weights do not predict the next token (`spec.causal` False).
    """
    if not loaded.spec.causal:
        raise ValueError(
            f"the model {loaded.spec.name!r} only denoises: the autoregressive lane needs weights trained on next-token "
            "prediction too (`causal_lm: true` in config.json), such as the bundled model"
        )
    model = copy_sharing_tensors(loaded.model)
    set_causal(model, True)
    return dataclasses.replace(loaded, model=model)


def causal_prompt(loaded: LoadedModel, prompt_ids: torch.Tensor) -> torch.Tensor:
    """Prompts (B, P) as the autoregressive lane reads them: after the begin token, where the model has one."""
    begin = loaded.spec.begin_token_id
    return prompt_ids if begin is None else torch.cat([torch.full_like(prompt_ids[:, :1], begin), prompt_ids], dim=1)
