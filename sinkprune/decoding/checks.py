"""What a prompt and other inputs must be, said before the first forward; what a model's numbers must be, said after the forward."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from sinkprune.models import LoadedModel


def check_prompt_ids(loaded: LoadedModel, prompt_ids: torch.Tensor, gen_length: int) -> torch.Tensor:
    """The prompt as (1, P) int64 on the CPU. ValueError where its shape, an id or its length does not fit the model."""
    if not isinstance(prompt_ids, torch.Tensor) or prompt_ids.dim() != 2 or prompt_ids.shape[0] != 1:
        shape = tuple(prompt_ids.shape) if isinstance(prompt_ids, torch.Tensor) else type(prompt_ids).__name__
        raise ValueError(f"prompt_ids must be a tensor of shape (1, P), one prompt at a time, not {shape}")
    if prompt_ids.is_floating_point() or prompt_ids.dtype == torch.bool:
        raise ValueError(f"prompt_ids must hold whole numbers (token ids), not {prompt_ids.dtype}")
    length = prompt_ids.shape[1]
    if length == 0:
        raise ValueError("the prompt is empty: give at least one token")
    config = loaded.model.config
    if not 0 <= int(prompt_ids.min()) <= int(prompt_ids.max()) < config.vocab_size:
        raise ValueError(f"prompt_ids must lie between 0 and {config.vocab_size - 1}, the model's vocabulary")
    limit = config.max_position_embeddings
    if length + gen_length > limit:
        shorter = f" or use a gen_length up to {limit - length}" if limit > length else ""
        raise ValueError(
            f"the prompt has {length} tokens and the answer {gen_length}, but the model reads {limit} at most: "
            f"shorten the prompt{shorter}"
        )
    return prompt_ids.detach().to("cpu", torch.long)


def check_finite(values: torch.Tensor) -> None:
    """Raise ValueError where a model's logits, or losses made from them, are NaN or infinite."""
    if not values.isfinite().all():
        raise ValueError(
            "the model computes numbers that are not finite (NaN or infinity): its weights are damaged, or its dtype is too "
            "narrow for them; load it in float32, or download it again"
        )


def is_whole(value: object, low: int, high: int = 2**31 - 1) -> bool:
    """Whether value is a whole number from low to high."""
    return isinstance(value, int) and low <= value <= high


def check_edits(loaded: LoadedModel, edits: Mapping[int, int]) -> None:
    """Raise ValueError where `edits` (position -> token id) hold a token that the model does not have."""
    last = loaded.model.config.vocab_size - 1
    for position, token in edits.items():
        if not is_whole(position, 0) or not is_whole(token, 0, last):
            raise ValueError(
                f"edits put token ids from 0 to {last} at positions from 0 on, not {token!r} at {position!r}"
            )


def check_denoises(loaded: LoadedModel) -> None:
    """Raise ValueError for an autoregressive reference, which has no MASK to fill in."""
    if loaded.spec.mask_token_id is None:
        raise ValueError(
            f"the model {loaded.spec.name!r} only writes from left to right: use `autoregress`, or a diffusion language model"
        )
