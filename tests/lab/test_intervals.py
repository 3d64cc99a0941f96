import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinkprune.lab.intervals import Interval, crossed_interval, student_quantile


@pytest.mark.parametrize(
    ("probability", "degrees", "expected"),
    [(0.975, 1, 12.7062), (0.975, 2, 4.30265), (0.975, 10, 2.22814), (0.975, 63, 1.99834), (0.995, 30, 2.75000)],
)
def test_student_quantile_of_the_tables(probability, degrees, expected):
    assert student_quantile(probability, degrees) == pytest.approx(expected, rel=1e-4)


def test_one_seed_is_the_t_interval_over_texts():
    """Values 1, 2, 3: mean 2, standard error 1/sqrt(3), t(0.975, 2) = 4.3027."""
    interval = crossed_interval(np.array([[1.0, 2.0, 3.0]]))
    assert interval.mean == 2
    assert interval.high - 2 == pytest.approx(4.30265 / math.sqrt(3), rel=1e-4)
    assert 2 - interval.low == pytest.approx(4.30265 / math.sqrt(3), rel=1e-4)


def test_seeds_that_agree_leave_the_texts_alone():
    """Three seeds with the same values are one seed seen three times."""
    texts = np.random.default_rng(0).normal(size=(1, 20))
    once, thrice = crossed_interval(texts), crossed_interval(np.repeat(texts, 3, axis=0))
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high))


def test_seeds_that_differ_widen_the_interval():
    noise = np.random.default_rng(0).normal(size=(3, 40))
    shifted = noise + np.array([[-1.0], [0.0], [1.0]])
    narrow, wide = crossed_interval(noise), crossed_interval(shifted)
    assert wide.high - wide.low > 3 * (narrow.high - narrow.low)


@pytest.mark.parametrize(("of_seeds", "of_texts"), [(0.0, 1.0), (1.0, 0.0), (0.3, 1.0), (0.0, 0.0)])
def test_the_interval_covers_the_truth_as_often_as_it_says(of_seeds, of_texts):
    """400 experiments with 3 seeds and 64 texts: at least 92 % of the 95 % intervals hold the true mean."""
    draw = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        values = 0.5 + of_seeds * draw.normal(size=(3, 1)) + of_texts * draw.normal(size=(1, 64))
        interval = crossed_interval(values + draw.normal(size=(3, 64)))
        held += interval.low <= 0.5 <= interval.high
    assert held >= 368


@given(st.floats(-5, 5), st.floats(0.1, 10))
def test_shift_and_scale_go_through(shift, scale):
    values = np.random.default_rng(3).normal(size=(3, 9))
    plain, moved = crossed_interval(values), crossed_interval(shift + scale * values)
    assert moved.low == pytest.approx(shift + scale * plain.low)
    assert moved.high == pytest.approx(shift + scale * plain.high)


def test_verdicts():
    assert Interval(1.0, 0.1, 2.0).verdict == "win"
    assert Interval(-1.0, -2.0, -0.1).verdict == "loss"
    assert Interval(0.5, -0.1, 1.1).verdict == "tie"
    assert crossed_interval(np.zeros((3, 4))) == Interval(0, 0, 0)


def test_too_few_texts_are_refused():
    with pytest.raises(ValueError, match="at least 2 texts"):
        crossed_interval(np.zeros((3, 1)))
