"""Recording a model that lost heads: those that are left keep their numbers, those that are gone receive and count nothing."""

import copy

import pytest
import torch

from sinkprune.models import attention, causal_view
from sinkprune.models.widths import query_heads
from sinkprune.sinks import attention_map, live_heads, paper_mass, record_attention, total_mass
from tests.pruning.structured_twins import some_ids, uneven_twins
from tests.tiny_models import make_tiny

FAMILIES = ("llama", "qwen2", "qwen3")


def recorded(loaded, ids, **kwargs):
    with torch.inference_mode(), record_attention(loaded) as recording:
        loaded.model(ids, **kwargs)
    return recording.column_mass


def heads_left(loaded):
    """(L, H) bool."""
    config = loaded.model.config
    left = torch.zeros(config.num_hidden_layers, config.num_attention_heads, dtype=torch.bool)
    for layer, row in enumerate(left):
        row[query_heads(config, layer)] = True
    return left


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("explicit", [False, True], ids=["beside-sdpa", "explicit"])
def test_heads_that_are_left_are_seen_as_in_the_zeroed_model(family, causal, explicit, monkeypatch):
    monkeypatch.setattr(attention, "is_explicit", lambda query: explicit)
    smaller, zeroed = uneven_twins(family)
    ids, padding = some_ids(2, 9), torch.ones(2, 9, dtype=torch.long)
    padding[0, :3] = 0
    left = heads_left(smaller)
    assert not left.all()
    for kwargs in ({}, {"attention_mask": padding}):
        mass, whole = (recorded(causal_view(m) if causal else m, ids, **kwargs) for m in (smaller, zeroed))
        assert mass.shape == whole.shape
        seen = mass.transpose(1, 2)[left]
        torch.testing.assert_close(seen, whole.transpose(1, 2)[left], atol=1e-4, rtol=1e-4)
        assert mass.transpose(1, 2)[~left].eq(0).all()
        assert torch.equal(live_heads(mass), left[:, None].expand(-1, 2, -1))


def test_sums_and_scores_count_only_heads_that_are_left():
    smaller, _ = uneven_twins()
    mass = recorded(smaller, some_ids(2, 9))
    assert live_heads(recorded(make_tiny(), some_ids(2, 9))).all()
    heads = live_heads(mass)[:, 0].sum()
    torch.testing.assert_close(total_mass(mass).mean(1), torch.full((2,), float(heads)))
    torch.testing.assert_close(paper_mass(mass).sum(1), torch.full((2,), float(heads)))


@pytest.mark.parametrize("causal", [False, True])
def test_maps_are_of_the_heads_that_are_left(causal):
    smaller, zeroed = uneven_twins()
    ids, left = some_ids(1, 9), heads_left(smaller)
    whole = torch.stack(
        [torch.stack([attention_map(zeroed, ids, layer, head, causal) for head in range(4)]) for layer in range(3)]
    )
    for layer in range(3):
        mean = attention_map(smaller, ids, layer, None, causal)
        torch.testing.assert_close(mean, whole[layer][left[layer]].mean(0), atol=1e-4, rtol=1e-4)
        for head in range(4):
            if left[layer, head]:
                one = attention_map(smaller, ids, layer, head, causal)
                torch.testing.assert_close(one, whole[layer, head], atol=1e-4, rtol=1e-4)
                continue
            with pytest.raises(ValueError, match=f"head {head} was removed from layer {layer}"):
                attention_map(smaller, ids, layer, head, causal)
    torch.testing.assert_close(
        attention_map(smaller, ids, None, None, causal), whole[left].mean(0), atol=1e-4, rtol=1e-4
    )
    for head in range(4):
        if left[:, head].any():
            there = whole[left[:, head], head].mean(0)
            torch.testing.assert_close(attention_map(smaller, ids, None, head, causal), there, atol=1e-4, rtol=1e-4)


def test_a_head_gone_from_every_layer_has_no_map():
    smaller = copy.deepcopy(uneven_twins()[0])
    for entry in smaller.model.config.layer_widths:
        entry["kv_heads"] = [0]
    with pytest.raises(ValueError, match="head 3 was removed from every layer"):
        attention_map(smaller, some_ids(1, 5), head=3)
