"""A sweep over sparsities, on a tiny random model: its points, its bounds, and the texts it scores."""

import pytest
import torch

from sinkprune.decoding import DecodeConfig
from sinkprune.lab.all_methods import Refusal
from sinkprune.lab.likelihood import LikelihoodConfig, masked_likelihood
from sinkprune.lab.sweep import OutOfTime, SweepPoint, held_out_ruler, prompt_ruler, sweep
from sinkprune.lab.texts import held_out_texts
from sinkprune.pruning import METHODS, CalibrationConfig

CALIBRATION = CalibrationConfig(samples=2, length=16)


@pytest.fixture
def ruler(loaded):
    config = DecodeConfig(gen_length=16, block_length=8, threshold=0.9)
    return lambda: prompt_ruler(loaded, "why do stars shine ?", config)


def points_of(steps) -> list[SweepPoint]:
    return [step for step in steps if isinstance(step, SweepPoint)]


def test_a_sweep_over_one_prompt(loaded, ruler, prune):
    points = points_of(sweep(loaded, ruler, ["wanda", "magnitude"], [0.5, 0.0], CALIBRATION, prune))
    assert [(point.method, point.sparsity) for point in points] == [
        ("dense", 0.0), ("wanda", 0.0), ("magnitude", 0.0), ("wanda", 0.5), ("magnitude", 0.5),
    ]  # fmt: skip
    dense = points[0]
    for point in points:
        assert point.bits == pytest.approx(dense.bits + point.above_dense)
        assert (point.error > 0) == (point.sparsity > 0)
        assert point.achieved == pytest.approx(point.sparsity, abs=0.1)


def test_held_out_answers_are_scored_on_the_tables_texts_and_masks(loaded):
    texts, starts = held_out_texts(loaded)
    all_of_them = masked_likelihood(loaded, texts[:6], LikelihoodConfig(patterns=1), starts[:6])
    assert torch.equal(held_out_ruler(loaded, 4)(loaded).values, all_of_them.values[:4])


def test_a_sweep_says_what_a_method_cannot_reach_and_goes_on(loaded, ruler, prune):
    steps = list(sweep(loaded, ruler, ["structured", "magnitude"], [0.8], CALIBRATION, prune))
    assert [step.method for step in steps if isinstance(step, Refusal)] == ["structured"]
    assert [point.method for point in points_of(steps)] == ["dense", "magnitude"]


def test_a_sweep_ends_when_its_time_is_over(loaded, ruler, prune):
    *_, last = sweep(loaded, ruler, ["magnitude"], [0.3, 0.5], CALIBRATION, prune, max_seconds=0.0)
    assert last == OutOfTime(2)
    assert prune.asked == []


@pytest.mark.parametrize(
    ("methods", "sparsities", "words"),
    [
        ([], [0.5], "at least one method"),
        (["wanda"], [], "one sparsity"),
        (list(METHODS), [0.1, 0.2, 0.3, 0.4], f"{4 * len(METHODS)} points are too many"),
    ],
)
def test_a_sweep_is_bounded(loaded, ruler, prune, methods, sparsities, words):
    with pytest.raises(ValueError, match=words):
        sweep(loaded, ruler, methods, sparsities, CALIBRATION, prune)
