"""The teacher's own decoder writes what transformers' generate writes."""

import pytest
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from sinkprune.training.teacher import END, PAD, continue_texts
from tests.training.test_train import BUNDLED

TEXTS = ["Why?", "Tell a long story about a fox and an owl.", "A b c d e f g."]


@pytest.fixture(scope="module")
def teacher():
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=16384, hidden_size=48, intermediate_size=64, num_hidden_layers=3, num_attention_heads=6,
        num_key_value_heads=2, head_dim=8, tie_word_embeddings=True, initializer_range=0.3,
    )  # fmt: skip
    tokenizer = AutoTokenizer.from_pretrained(BUNDLED)
    tokenizer.pad_token_id = PAD
    return LlamaForCausalLM(config).eval(), tokenizer


@pytest.mark.parametrize("penalty", [1.0, 1.3])
def test_greedy_decoding_equals_generate(teacher, penalty):
    model, tokenizer = teacher
    tokenizer.padding_side = "left"
    batch = tokenizer(TEXTS, return_tensors="pt", padding=True)
    expected = model.generate(
        **batch, do_sample=False, repetition_penalty=penalty, max_new_tokens=20, eos_token_id=END, pad_token_id=PAD
    )[:, batch.input_ids.shape[1] :]
    written = continue_texts(model, tokenizer, TEXTS, 20, repetition_penalty=penalty)
    assert torch.equal(written[:, : expected.shape[1]], expected)


def test_nothing_follows_an_end_token(teacher, monkeypatch):
    model, tokenizer = teacher
    written = continue_texts(model, tokenizer, TEXTS, 12)
    monkeypatch.setattr("sinkprune.training.teacher.END", int(written[0, 3]))
    again = continue_texts(model, tokenizer, TEXTS, 12)
    first = int((written[0] == written[0, 3]).nonzero()[0])
    assert torch.equal(again[0, : first + 1], written[0, : first + 1])
    assert (again[0, first + 1 :] == PAD).all()


def test_a_temperature_draws_among_the_likeliest(teacher):
    model, tokenizer = teacher
    torch.manual_seed(0)
    draws = continue_texts(model, tokenizer, ["The same text."] * 64, 1, temperature=1.0)[:, 0]
    logits = model(tokenizer("The same text.", return_tensors="pt").input_ids).logits[0, -1]
    assert len(draws.unique()) > 1
    assert set(draws.tolist()) <= set(logits.topk(50).indices.tolist())
