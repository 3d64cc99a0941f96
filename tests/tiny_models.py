"""Tiny random models of the three architectures, in milliseconds and without a file."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from sinkprune.models import LoadedModel, ModelSpec, set_causal
from sinkprune.models.attention import ATTENTION_NAME

FIXTURES = Path(__file__).parent / "fixtures"
ARCHITECTURES = {
    "llama": (LlamaConfig, LlamaForCausalLM),
    "qwen2": (Qwen2Config, Qwen2ForCausalLM),
    "qwen3": (Qwen3Config, Qwen3ForCausalLM),
}
VOCABULARY, MASK, END = 64, 3, 2
LETTERS = "abcdefghijklmnopqrstuvwxyz .?"


def make_tiny(family: str = "llama", seed: int = 0, shift_logits: bool = False, **config) -> LoadedModel:
    """A random model, 3 layers, 4 query and 2 KV heads, weights large enough for uneven attention and clear arg maxima."""
    config_class, model_class = ARCHITECTURES[family]
    settings = {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 256,
        "initializer_range": 0.5,
        "eos_token_id": END,
        "mask_token_id": MASK,
    }
    torch.manual_seed(seed)
    model = model_class(config_class(**settings | config)).eval().requires_grad_(False)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            parameter.normal_(std=0.5)
    model.set_attn_implementation(ATTENTION_NAME)
    set_causal(model, False)
    spec = ModelSpec("tiny", family, MASK, END, shift_logits=shift_logits, causal=True)
    return LoadedModel(model, None, spec)


def save_tiny(folder: Path) -> None:
    """A random Llama that reads letters, in the plain layout."""
    model = make_tiny().model
    model.config.causal_lm = True
    model.save_pretrained(folder)
    vocabulary = {"<unk>": 0, "<end>": END, "<mask>": MASK} | {letter: 4 + i for i, letter in enumerate(LETTERS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="<end>").save_pretrained(folder)
