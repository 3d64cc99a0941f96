"""The sentence above the figures says what the numbers say."""

import numpy as np
import pytest
import torch

from sinkprune.pruning.changes import MaskChanges
from sinkprune.traces.sink_statistics import LaneStatistics
from sinkprune.traces.stages import Stages
from sinkprune.ui.words.reading import changes_reading, layers_words, stage_words, trajectory_words, variance_words


@pytest.fixture
def lane():
    def make(centroids, leaders, variance, layer=None, title="Diffusion"):
        return LaneStatistics(
            kind="dlm", title=title, prompt="p", text="t", layer=layer, centroids=np.array(centroids, float),
            sinks=np.zeros((len(leaders), 9), bool), leaders=np.array(leaders), moves=0,
            spatial_variance=1.0, temporal_variance=variance,
        )  # fmt: skip

    return make


def test_sinks_that_move(lane):
    said = trajectory_words([lane([10, np.nan, 37], [9, 9, 40], 121.0)])
    assert "from position 10 to 37" in said
    assert "121" in said
    assert "2 different positions led" in said


def test_sinks_that_stay(lane):
    said = trajectory_words([lane([2, 2, 2], [2, 2, 2], 0.0)])
    assert "stay at position 2" in said
    assert "position 2 led at every step" in said


def test_no_sink_at_all(lane):
    assert "no position stands out" in trajectory_words([lane([np.nan, np.nan], [0, 1], float("nan"))])


def test_several_runs_are_averaged(lane):
    said = trajectory_words([lane([10, 20], [9, 9], 25.0), lane([14, 40], [9, 9], 169.0)])
    assert "2 prompts: the centre of the sinks goes from position 12 ± 2 to 30 ± 10" in said
    assert "stays at position 3 ± 0" in trajectory_words([lane([3, 3], [3, 3], 0.0)] * 2)


def test_variances_are_said_for_one_run_and_for_several(lane):
    one = [lane([1], [1], 95.0), lane([1], [1], float("nan"), title="Autoregressive")]
    assert variance_words(one).startswith("Temporal variance (tokens²): Diffusion 95, Autoregressive has no sink.")
    several = [lane([1], [1], variance) for variance in (1.0, 2.0, 9.0)]
    assert "Diffusion 4 (mean of 3, median 2)" in variance_words(several)


def test_the_layer_that_moves_most_is_named(lane):
    said = layers_words([lane([1], [1], 0.1, 0), lane([1], [1], 40.0, 1), lane([1], [1], 0.0, 2)])
    assert "largest in layer 2 (40 tokens²) and below 0.5 in 2 of 3 layers" in said
    assert "no position stands out" in layers_words([lane([1], [1], float("nan"), 0)])
    assert layers_words([lane([1], [1], 0.0, 0), lane([1], [1], 0.0, 1)]).endswith(
        "temporal variance is 0 in every layer."
    )


def test_stages_name_the_position_that_receives_most():
    masses = np.ones((1, 1, 1, 4), np.float32)
    masses[..., 2], masses[..., 3] = 3.0, np.nan
    said = stage_words([Stages("Diffusion", ["25 %"], [5], masses)], "why")
    assert "at 25 % of the steps position 2 (3.0 times the mean)" in said
    assert "typical prompt “why”" in said


def changes(strength: list, by_head: list) -> MaskChanges:
    """Two layers; the MLP's linears differ in 2 %, attention's as given for two heads."""
    by_head = torch.tensor(by_head)
    by_linear = torch.cat([torch.zeros(2, 4), torch.full((2, 3), 0.02)], dim=1)
    return MaskChanges(torch.tensor(strength), by_head, by_linear, torch.zeros(2, 2))


def test_changes_name_the_head_that_differs_most_and_the_relation_to_sinks():
    said = changes_reading(changes([[0.1, 0.2], [0.3, 0.9]], [[0.0, 0.01], [0.02, 0.09]]))
    assert "3.00 % of the attention weights and 2.00 % of the MLP weights" in said
    assert "layer 2, head 2 (9.00 %)" in said
    assert "Heads with stronger sinks differ more" in said
    assert "differ less" in changes_reading(changes([[0.9, 0.8], [0.7, 0.1]], [[0.0, 0.01], [0.02, 0.09]]))
    assert "hardly related" in changes_reading(changes([[0.1, 0.9], [0.9, 0.1]], [[0.0, 0.0], [0.1, 0.1]]))


def test_masks_that_are_equal_in_attention_name_no_head():
    said = changes_reading(changes([[0.1, 0.2], [0.3, 0.9]], [[0.0, 0.0], [0.0, 0.0]]))
    assert "0.00 % of the attention weights" in said
    assert "head" not in said.removeprefix("The two masks")
