"""Decoding a structurally cut model: the tokens, confidences and masses of the dense model with the same parts zeroed."""

import pytest
import torch

from sinkprune.decoding import DecodeConfig, autoregress, denoise
from sinkprune.sinks import live_heads
from tests.pruning.structured_twins import some_ids, uneven_twins

FAMILIES = ("llama", "qwen2", "qwen3")
RULES = ({}, {"threshold": 0.6}, {"factor": 1.5}, {"remasking": "random", "temperature": 0.8})


def assert_same_steps(smaller, zeroed):
    assert len(smaller) == len(zeroed)
    for ours, theirs in zip(smaller, zeroed, strict=True):
        assert torch.equal(ours.canvas, theirs.canvas)
        assert torch.equal(ours.committed, theirs.committed)
        assert ours.rows == theirs.rows
        torch.testing.assert_close(ours.confidence, theirs.confidence, atol=1e-4, rtol=1e-4, equal_nan=True)
        left = live_heads(ours.column_mass)
        assert ours.column_mass.shape == theirs.column_mass.shape
        assert not left.all()
        torch.testing.assert_close(ours.column_mass[left], theirs.column_mass[left], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("shift", [False, True])
@pytest.mark.parametrize("cache", ["none", "prefix", "dual"])
def test_every_cache_writes_what_the_zeroed_model_writes(family, shift, cache):
    twins = uneven_twins(family, shift_logits=shift)
    for rule in RULES:
        config = DecodeConfig(gen_length=12, block_length=4, steps=12, cache=cache, **rule)
        assert_same_steps(*(list(denoise(twin, some_ids(1, 6), config, record=True)) for twin in twins))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_autoregressive_lane_writes_what_the_zeroed_model_writes(family):
    assert_same_steps(*(list(autoregress(twin, some_ids(1, 6), 10, record=True)) for twin in uneven_twins(family)))
