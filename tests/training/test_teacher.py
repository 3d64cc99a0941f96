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


def test_a_temperature_draws_as_often_as_the_model_says(teacher):
    model, tokenizer = teacher
    torch.manual_seed(0)
    draws = continue_texts(model, tokenizer, ["The same text."] * 4000, 1, temperature=0.7)[:, 0]
    logits = model(tokenizer("The same text.", return_tensors="pt").input_ids).logits[0, -1]
    expected = (logits / 0.7).softmax(-1)
    for token in expected.topk(3).indices:
        assert (draws == token).float().mean().item() == pytest.approx(expected[token].item(), abs=0.03)


def test_rows_of_one_batch_have_temperatures_of_their_own(teacher):
    model, tokenizer = teacher
    torch.manual_seed(0)
    heat = torch.tensor([0.0, 2.0, 0.0])
    mixed, greedy = (continue_texts(model, tokenizer, TEXTS, 20, heat) for heat in (heat, 0.0))
    assert torch.equal(mixed[[0, 2]], greedy[[0, 2]])
    assert not torch.equal(mixed[1], greedy[1])


def test_rows_that_have_ended_leave_the_batch_without_changing_the_others(teacher, monkeypatch):
    model, tokenizer = teacher
    whole = continue_texts(model, tokenizer, TEXTS, 24)
    monkeypatch.setattr("sinkprune.training.teacher.END", int(whole[0, 2]))
    monkeypatch.setattr("sinkprune.training.teacher.COMPACT_EVERY", 4)
    again = continue_texts(model, tokenizer, TEXTS, 24)
    for row, before in zip(again, whole, strict=True):
        ends = (before == whole[0, 2]).nonzero()
        length = int(ends[0]) + 1 if len(ends) else 24
        assert torch.equal(row[:length], before[:length])
        assert (row[length:] == PAD).all()
