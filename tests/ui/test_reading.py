"""The sentence above the figures says what the numbers say."""

import numpy as np
import pytest

from sinkprune.lab.statistics import LaneStatistics
from sinkprune.ui.reading import reading


@pytest.fixture
def lane():
    def make(centroids, leaders, variance):
        return LaneStatistics(
            kind="dlm", title="Diffusion", prompt="p", text="t", layer=None, centroids=np.array(centroids, float),
            sinks=np.zeros((len(leaders), 9), bool), leaders=np.array(leaders), moves=0,
            spatial_variance=1.0, temporal_variance=variance,
        )  # fmt: skip

    return make


def test_sinks_that_move(lane):
    said = reading([lane([10, np.nan, 37], [9, 9, 40], 121.0)])
    assert "from position 10 to 37" in said
    assert "121" in said
    assert "2 different positions led" in said


def test_sinks_that_stay(lane):
    said = reading([lane([2, 2, 2], [2, 2, 2], 0.0)])
    assert "stay at position 2" in said
    assert "position 2 led at every step" in said


def test_no_sink_at_all(lane):
    assert "no position stands out" in reading([lane([np.nan, np.nan], [0, 1], float("nan"))])
