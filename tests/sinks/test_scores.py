"""Sink scores and sets: the two rules re-derived one position at a time, and what must hold for any mass."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sinkprune.sinks import paper_mass, paper_scores, reference_scores, reference_sink_set, sink_set, total_mass

masses = st.lists(st.floats(0, 100, width=32), min_size=2, max_size=24).map(torch.tensor)


@given(masses)
def test_reference_rule_one_position_at_a_time(mass):
    values = mass.tolist()
    mean = sum(values) / len(values)
    std = math.sqrt(sum((v - mean) ** 2 for v in values) / len(values))
    expected = [1 / (1 + math.exp(-max(-700.0, min(700.0, 5 * (v - mean - 2 * std))))) for v in values]
    torch.testing.assert_close(reference_scores(mass), torch.tensor(expected), atol=2e-3, rtol=1e-3)


@given(masses, st.floats(0, 5, width=32))
def test_paper_rule_one_position_at_a_time(mass, epsilon):
    values = mass.double().tolist()
    above = [v - (sum(values) - v) / (len(values) - 1) for v in values]
    found = sink_set(mass.double(), epsilon).tolist()
    for is_sink, excess in zip(found, above, strict=True):
        assert is_sink == (excess > epsilon) or abs(excess - epsilon) < 1e-9
    expected = torch.sigmoid(torch.tensor(above, dtype=torch.float64) - epsilon)
    torch.testing.assert_close(paper_scores(mass.double(), epsilon), expected)


@given(masses, masses)
def test_rows_are_scored_on_their_own(one, other):
    length = min(len(one), len(other))
    rows = torch.stack([one[:length], other[:length]])
    for rule in (reference_scores, paper_scores):
        torch.testing.assert_close(rule(rows)[0], rule(one[:length]), atol=1e-3, rtol=1e-3)


def test_one_towering_position_is_the_sink_by_every_rule():
    mass = torch.ones(32)
    mass[9] = 40
    for sinks in (
        reference_sink_set(mass),
        sink_set(mass, 1.0),
        reference_scores(mass) > 0.5,
        paper_scores(mass, 1.0) > 0.5,
    ):
        assert sinks.nonzero().flatten().tolist() == [9]


def test_uniform_attention_has_no_sink():
    mass = torch.ones(32)
    assert not sink_set(mass, 0.01).any()
    assert not reference_sink_set(mass).any()


def test_masses_over_layers_and_heads():
    column_mass = torch.rand(3, 2, 4, 10)
    assert torch.allclose(total_mass(column_mass)[1, 7], column_mass[:, 1, :, 7].sum())
    assert torch.allclose(paper_mass(column_mass), total_mass(column_mass) / 10)


def test_a_single_position_is_refused():
    with pytest.raises(ValueError, match="at least 2 positions"):
        paper_scores(torch.ones(1))
