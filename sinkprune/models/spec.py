"""What a loaded model is: the model itself, its tokenizer, and the few facts decoding needs to know about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


# How a checkpoint names its weights: (regex, replacement) pairs, the first that matches gives the name that transformers uses.
Renaming = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ModelSpec:
    """Facts about a diffusion language model (DLM) that its weights do not carry.

    shift_logits: True where position i is predicted by output i-1 (Dream); False where by output i (LLaDA, the bundled model).
    chat_format: "chatml" wraps a prompt as `<|im_start|>user…`, "template" uses the tokenizer's own chat template, "plain" wraps nothing.
    drops_final_mark: True where the model was trained on prompts without the full stop or question mark at their end.
    causal: True where the same weights also predict the next token with a causal mask (the autoregressive lane).
    eos_token_id: the token that ends an answer and fills a canvas after its end. other_end_ids: tokens that end an answer as well.
    mask_token_id: None for an autoregressive reference, which cannot denoise and whose attention is causal.
    begin_token_id: the token that stands before a prompt in the autoregressive lane, and only there; None where there is none.
    renaming: how the checkpoint that the model came from names its weights; saving undoes it.
    registered: whether `name` is the registry's (followed by the form of quantised weights), and so the same model everywhere.
    """

    name: str
    family: str  # "llama" | "qwen2" | "qwen3": the transformers architecture that runs it
    mask_token_id: int | None
    eos_token_id: int | None = None
    other_end_ids: tuple[int, ...] = ()
    shift_logits: bool = False
    chat_format: str = "plain"
    drops_final_mark: bool = False
    causal: bool = False
    begin_token_id: int | None = None
    revision: str | None = None
    registered: bool = False
    renaming: Renaming = ()

    @property
    def end_token_ids(self) -> frozenset[int]:
        """All tokens that end an answer; empty where the model has none."""
        return frozenset(self.other_end_ids) | (set() if self.eos_token_id is None else {self.eos_token_id})

    @property
    def public_name(self) -> str | None:
        """The name, where it is the registry's; None for a folder or another hub id, which only their owners may know."""
        return self.name if self.registered else None


@dataclass(frozen=True)
class LoadedModel:
    """A model in eval mode, bidirectional by default (`config.is_causal` False), with its tokenizer (or None) and its spec."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase | None
    spec: ModelSpec

    @property
    def parameters(self) -> int:
        """How many numbers the model has; tied weights count once."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    @property
    def device(self) -> torch.device:
        return self.model.device
