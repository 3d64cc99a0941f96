"""The official algorithm, as benchmarks run it, writes what the official code wrote, in as many forwards."""

import pytest
import torch

from sinkprune.benchmarks.official import plain_model, write
from sinkprune.decoding import DecodeConfig
from tests.decoding.official_factor import slow_factor
from tests.decoding.official_runs import OFFICIAL, official_config


@pytest.mark.parametrize("run", OFFICIAL["runs"])
def test_tokens_and_forwards_are_the_official_ones(run, llada):
    model, config = plain_model(llada), official_config(run)
    for prompt, official in zip(OFFICIAL["prompts"], OFFICIAL["runs"][run]["results"], strict=True):
        ids = torch.tensor(prompt).view(1, -1)
        canvas, forwards = write(model, ids, llada.spec.mask_token_id, config)
        assert canvas[0].tolist() == official["output_ids"]
        assert forwards == official["forward_calls"]


@pytest.mark.parametrize("factor", [0.5, 1.5])
def test_its_factor_is_the_official_walk(factor, llada):
    ids = torch.tensor(OFFICIAL["prompts"][0]).view(1, -1)
    canvas, forwards = write(plain_model(llada), ids, llada.spec.mask_token_id, DecodeConfig(32, 8, 32, factor=factor))
    expected, expected_forwards = slow_factor(llada, ids, 32, 8, factor)
    assert torch.equal(canvas, expected)
    assert forwards == expected_forwards
