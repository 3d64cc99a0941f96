"""Variance statistics on masses whose sinks are known by construction."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sinkprune.sinks import centroid, normalise_mass, sink_trajectory, spatial_variance, temporal_variance


def spike(position: int, length: int = 32, height: float = 50.0) -> torch.Tensor:
    mass = torch.ones(length)
    mass[position] = height
    return mass


def test_centroid_weighs_positions_by_mass():
    mass = torch.tensor([3.0, 9.0, 9.0, 1.0])
    assert centroid(mass, torch.tensor([True, False, False, True])).item() == pytest.approx(0.75)
    assert centroid(mass, torch.zeros(4, dtype=torch.bool)).isnan()


@given(st.lists(st.integers(0, 31), min_size=1, max_size=12))
def test_temporal_variance_is_that_of_the_moving_sink(positions):
    masses = [spike(p) for p in positions]
    assert sink_trajectory(masses).tolist() == positions
    mean = sum(positions) / len(positions)
    expected = sum((p - mean) ** 2 for p in positions) / len(positions)
    assert temporal_variance(torch.stack(masses)) == pytest.approx(expected, abs=1e-4)


def test_a_fixed_sink_does_not_move_while_the_text_grows():
    masses = [spike(0, length) for length in range(20, 40)]
    assert temporal_variance(masses) == 0
    assert spatial_variance(masses) > spatial_variance([torch.ones(40)]) == 0


def test_steps_without_a_sink_do_not_count():
    masses = [spike(4), torch.ones(32), spike(8)]
    assert sink_trajectory(masses).isnan().tolist() == [False, True, False]
    assert temporal_variance(masses) == pytest.approx(4.0)
    assert math.isnan(temporal_variance([torch.ones(8)]))


@given(st.floats(0.125, 1000, width=32))
def test_statistics_do_not_depend_on_the_scale_of_the_mass(scale):
    masses = torch.stack([spike(3), spike(20)])
    assert spatial_variance(masses * scale) == pytest.approx(spatial_variance(masses), rel=1e-4)
    assert temporal_variance(masses * scale) == pytest.approx(temporal_variance(masses), rel=1e-4)
    assert normalise_mass(masses * scale).mean(-1).tolist() == pytest.approx([1, 1])


def test_spatial_variance_averages_over_the_steps_at_which_a_position_exists():
    masses = [torch.tensor([3.0, 1.0]), torch.tensor([4.0, 1.0, 1.0])]  # scaled: (1.5, 0.5) and (2, 0.5, 0.5)
    assert spatial_variance(masses) == pytest.approx(torch.tensor([1.75, 0.5, 0.5]).var(correction=0).item())
