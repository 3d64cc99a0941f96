"""Tiny random models of the three families, and the golden data made with the official code on tests/fixtures/tiny-llada."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from sinkprune.models import LoadedModel, ModelSpec, load_model, set_causal
from sinkprune.models.attention import ATTENTION_NAME

FIXTURES = Path(__file__).parents[1] / "fixtures"
VOCABULARY, MASK = 48, 3
SHAPE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "initializer_range": 0.3,
    "attn_implementation": ATTENTION_NAME,
}
FAMILIES = {
    "llama": (LlamaConfig, LlamaForCausalLM),
    "qwen2": (Qwen2Config, Qwen2ForCausalLM),
    "qwen3": (Qwen3Config, Qwen3ForCausalLM),
}


def tiny_model(family: str = "llama", seed: int = 0, dtype: torch.dtype = torch.float32, **shape) -> LoadedModel:
    config_class, model_class = FAMILIES[family]
    torch.manual_seed(seed)
    model = model_class(config_class(**SHAPE | shape)).to(dtype).eval().requires_grad_(False)
    for name, tensor in model.named_parameters():
        if name.endswith("bias"):  # transformers starts biases at zero, which would hide them
            tensor.normal_(std=0.3)
    set_causal(model, False)
    return LoadedModel(model, None, ModelSpec(f"tiny-{family}", family, MASK))


def random_ids(samples: int = 6, length: int = 16, seed: int = 0) -> torch.Tensor:
    return torch.randint(4, VOCABULARY, (samples, length), generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="session")
def make_model():
    return tiny_model


@pytest.fixture(scope="session")
def make_ids():
    return random_ids


@pytest.fixture(scope="session")
def llada() -> LoadedModel:
    return load_model(FIXTURES / "tiny-llada")


@pytest.fixture(scope="session")
def golden() -> dict[str, np.ndarray]:
    """Official results at 50 %: `METHOD/zeros/LINEAR` are packed bits, the rest is named after what it is."""
    with np.load(FIXTURES / "pruning" / "golden.npz") as arrays:
        return dict(arrays)
