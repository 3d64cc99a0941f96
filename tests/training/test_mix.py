"""Mixing weights: each part takes its share, the ends are the two models."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from sinkprune.training.mix import mix


def models() -> list[LlamaForCausalLM]:
    config = LlamaConfig(
        vocab_size=16, hidden_size=8, intermediate_size=8, num_hidden_layers=4, num_attention_heads=2,
        num_key_value_heads=1, tie_word_embeddings=True,
    )  # fmt: skip
    made = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        made.append(LlamaForCausalLM(config))
    return made


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_all_or_nothing_gives_one_of_the_two(share):
    before, after = models()
    expected = {name: value.clone() for name, value in (after if share else before).named_parameters()}
    mixed = mix(before, after, {"early": share, "late": share, "embedding": share})
    assert all(torch.equal(value, expected[name]) for name, value in mixed.named_parameters())


def test_each_part_takes_its_own_share():
    before, after = models()
    old = {name: value.detach().clone() for name, value in before.named_parameters()}
    new = dict(after.named_parameters())
    mixed = dict(mix(before, after, {"early": 0.25, "late": 0.75, "embedding": 0.0}).named_parameters())
    for name, share in (
        ("model.layers.1.mlp.up_proj.weight", 0.25),
        ("model.layers.2.self_attn.q_proj.weight", 0.75),
        ("model.embed_tokens.weight", 0.0),
    ):
        torch.testing.assert_close(mixed[name], (1 - share) * old[name] + share * new[name])
