"""The commit rules as pure functions of logits and confidences."""

import dataclasses
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sinkprune.decoding import DecodeConfig
from sinkprune.decoding.commit import best_tokens, choose, negative_entropy
from tests.decoding.official_factor import official_walk

CONFIG = DecodeConfig(gen_length=32, block_length=32, steps=32)
MASK = 3
confidences = st.lists(st.floats(0, 1, width=32), min_size=1, max_size=32, unique=True).map(torch.tensor)


def fast_dllm_schedule(masks: int, steps: int) -> list[int]:
    """Tokens per step as Fast-dLLM counts them in advance: masks // steps, one more in the first masks % steps."""
    return [masks // steps + (step < masks % steps) for step in range(steps)]


@given(st.integers(1, 64), st.integers(1, 64))
def test_even_spreading_is_the_schedule_counted_in_advance(masks, steps):
    counts, left = [], masks
    for step in range(masks):
        count = choose(torch.rand(left), CONFIG, steps - step).numel()
        counts.append(count)
        left -= count
        if not left:
            break
    assert counts == [count for count in fast_dllm_schedule(masks, steps) if count]


@given(confidences, st.floats(0.0078125, 1, width=32))
def test_threshold_commits_all_above_and_the_best_always(confidence, threshold):
    chosen = set(choose(confidence, dataclasses.replace(CONFIG, threshold=threshold), 1).tolist())
    above = {i for i, c in enumerate(confidence.tolist()) if c >= threshold}
    assert chosen == above | {confidence.argmax().item()}


@given(confidences, st.floats(0.0625, 4, width=32))
def test_factor_commits_what_the_official_walk_commits(confidence, factor):
    ranked = sorted(confidence.tolist(), reverse=True)
    chosen = choose(confidence, dataclasses.replace(CONFIG, factor=factor), 1)
    assert confidence[chosen].tolist() == ranked[: official_walk(ranked, factor)]


@pytest.mark.parametrize(
    ("ranked", "count"),
    [
        ([0.1], 1),  # the best one always
        ([0.9, 0.2], 2),  # only the last one fails
        ([0.1, 0.1], 2),
        ([0.9, 0.8, 0.2], 3),
        ([0.9, 0.2, 0.1], 1),
        ([0.9, 0.8, 0.7, 0.2, 0.1], 2),  # two fail
    ],
)
def test_where_only_the_last_one_fails_the_factor_commits_it_too(ranked, count):
    assert choose(torch.tensor(ranked), dataclasses.replace(CONFIG, factor=1.0), 1).tolist() == list(range(count))


def test_mask_is_never_chosen_but_stays_in_the_sum():
    logits = torch.tensor([[1.0, 2.0, 0.0, 9.0]])
    tokens, confidence = best_tokens(logits, MASK)
    assert tokens.tolist() == [1]
    assert logits[0, MASK] == 9  # the caller's logits stay as they are
    assert best_tokens(logits, None)[0].tolist() == [MASK]  # a model without MASK may write any token
    assert confidence.item() == pytest.approx(math.exp(2) / (math.e + math.exp(2) + 1 + math.exp(9)), rel=1e-5)


@given(st.integers(0, 99), st.sampled_from([0.0, 0.5, 2.0]))
def test_confidence_is_the_softmax_probability_of_the_token(seed, temperature):
    logits = torch.randn(6, 20, generator=torch.Generator().manual_seed(seed)) * 4
    tokens, confidence = best_tokens(logits, MASK, temperature, torch.Generator().manual_seed(seed))
    assert MASK not in tokens
    expected = logits.double().softmax(-1).gather(1, tokens[:, None])[:, 0]
    torch.testing.assert_close(confidence.double(), expected, atol=1e-6, rtol=1e-5)


def test_gumbel_noise_samples_the_softmax_and_leaves_the_global_generator_alone():
    logits = torch.tensor([[0.0, 1.0, 2.0, 50.0]]).expand(20000, 4)
    state = torch.get_rng_state()
    tokens, _ = best_tokens(logits, MASK, 1.0, torch.Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), state)
    shares = torch.bincount(tokens, minlength=4) / 20000
    torch.testing.assert_close(shares[:3], torch.tensor([0.0, 1.0, 2.0]).softmax(0), atol=0.015, rtol=0)


def test_negative_entropy():
    even, certain = torch.zeros(1, 8), torch.tensor([[100.0, 0, 0, 0]])
    assert negative_entropy(even).item() == pytest.approx(-math.log(8))
    assert negative_entropy(certain).item() == pytest.approx(0, abs=1e-6)


def test_logits_that_are_no_numbers_still_end():
    tokens, confidence = best_tokens(torch.full((4, 8), float("nan")), MASK)
    assert MASK not in tokens
    for rule in ({}, {"threshold": 0.9}, {"factor": 1.0}):
        assert choose(confidence, dataclasses.replace(CONFIG, **rule), 2).numel() >= 1
