"""Scores of keys and the choice among them, as pure functions against their definitions written out."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from sinkprune.decoding.eviction import (
    block_importance,
    columns_kept,
    keep_best,
    outside,
    pooled,
    sinks_first,
    sinks_last,
)

# Few different values: ties are common.
scores = st.lists(st.integers(-3, 3), min_size=1, max_size=24).map(lambda values: torch.tensor(values).float())


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 5), st.integers(1, 9), st.integers(0, 99))
def test_importance_is_a_mean_of_products(kv_heads, group, rows, keys, seed):
    generator = torch.Generator().manual_seed(seed)
    query = torch.randn(kv_heads * group, rows, 4, generator=generator)
    key = torch.randn(kv_heads, keys, 4, generator=generator)
    expected = [
        sum((query[h].mean(0) @ key[h // group, k]).item() for h in range(kv_heads * group)) / (kv_heads * group)
        for k in range(keys)
    ]
    torch.testing.assert_close(block_importance(query, key), torch.tensor(expected), atol=1e-5, rtol=1e-4)


@given(scores, st.sampled_from([1, 3, 5, 7]))
def test_pooling_takes_the_best_neighbour(score, kernel):
    half = kernel // 2
    expected = [score[max(0, i - half) : i + half + 1].max().item() for i in range(len(score))]
    assert pooled(score, kernel).tolist() == expected


@given(scores, st.integers(0, 24))
def test_the_best_are_kept_and_ties_go_to_the_lower_position(score, count):
    ranked = sorted(range(len(score)), key=lambda i: (-score[i].item(), i))
    assert keep_best(score, count).tolist() == sorted(ranked[:count])


@given(scores, st.integers(0, 6), st.integers(0, 99))
def test_sinks_go_first_or_last_and_the_rest_keeps_its_order(score, count, seed):
    mass = torch.rand(len(score), generator=torch.Generator().manual_seed(seed))
    sinks = set(mass.topk(min(count, len(score))).indices.tolist())
    budget = len(score) // 2
    first = set(keep_best(sinks_first(score, mass, count), budget).tolist())
    last = set(keep_best(sinks_last(score, mass, count), budget).tolist())
    assert len(first & sinks) == min(budget, len(sinks))
    assert len(last & sinks) == max(0, budget - (len(score) - len(sinks)))
    others = [i for i in range(len(score)) if i not in sinks]
    assert last - sinks == {others[i] for i in keep_best(score[others], len(last - sinks)).tolist()}


@given(st.integers(0, 9), st.integers(1, 8), st.integers(0, 9), st.floats(0, 1), st.integers(0, 99))
def test_columns_are_the_block_and_the_best_outside(before, block, after, retention, seed):
    length, span = before + block + after, (before, before + block)
    score = torch.randn(2, before + after, generator=torch.Generator().manual_seed(seed))
    kept = columns_kept(score, retention, span)
    candidates = outside(torch.arange(length), span)
    for layer in range(2):
        best = keep_best(score[layer], int(retention * (before + after)))
        expected = sorted([*candidates[best].tolist(), *range(*span)])
        assert kept[layer].tolist() == expected
