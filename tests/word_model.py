"""A tiny random model with words for tokens: what the lab needs of a model, in milliseconds and without a file."""

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from sinkprune.lab.store import PrunedStore, store_key
from sinkprune.models import LoadedModel, ModelSpec, set_causal
from sinkprune.pruning import prune_steps

WORDS = [
    "the",
    "sun",
    "is",
    "a",
    "star",
    "why",
    "do",
    "stars",
    "shine",
    "?",
    ".",
    "<b>",
    "blue",
    "sea",
    "cold",
    "warm",
    "we",
    "see",
    "and",
]
VOCABULARY = 64
MASK, END = 3, 2


def tiny_model(seed: int = 0, shift_logits: bool = False, **sizes: int) -> LoadedModel:
    """sizes: settings of LlamaConfig other than those here."""
    torch.manual_seed(seed)
    few = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
    }
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        max_position_embeddings=512,
        initializer_range=0.6,
        attn_implementation="sdpa",
        **few | sizes,
    )
    model = LlamaForCausalLM(config).eval().requires_grad_(False)
    set_causal(model, False)
    spec = ModelSpec("tiny", "llama", MASK, END, shift_logits=shift_logits, chat_format="plain", causal=True)
    return LoadedModel(model, tiny_tokenizer(), spec)


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    names = ["<unk>", "<start>", "<end>", "<mask>", *WORDS]
    names += [f"w{number}" for number in range(len(names), VOCABULARY)]
    tokenizer = Tokenizer(models.WordLevel({name: number for number, name in enumerate(names)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<start>", eos_token="<end>", mask_token="<mask>"
    )


@pytest.fixture(scope="session")
def loaded() -> LoadedModel:
    return tiny_model()


@pytest.fixture(scope="session")
def make_model():
    """Tiny models with other seeds or shifted logits."""
    return tiny_model


@pytest.fixture
def prune(loaded):
    """Prunes as the page does, through a store; its `asked` lists what was pruned."""
    store, ids = PrunedStore(2**20), torch.randint(4, 64, (2, 16), generator=torch.Generator().manual_seed(0))

    def through_store(pruning, calibration):
        def build():
            through_store.asked.append(pruning)
            return prune_steps(loaded, pruning, calibration, ids)

        return store.build(store_key(loaded.spec, pruning, calibration), loaded, build)

    through_store.asked = []
    return through_store
