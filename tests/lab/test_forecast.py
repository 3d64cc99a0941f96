"""How long a prune takes: the work of the methods stands in proportion to what the recorded table measured, and prunes correct it."""

from dataclasses import replace

import pytest

from sinkprune.lab.forecast import Forecast, measure_speed, prune_work
from sinkprune.models import load_model
from sinkprune.pruning import METHODS, CalibrationConfig, PruneConfig, prune_model
from sinkprune.recorded.pruning_table import load_table

TEXT = CalibrationConfig(samples=2, length=16)


@pytest.mark.bundled
def test_known_work_orders_the_methods_as_the_table_measured_them():
    """One machine, one speed: each method's seconds a multiply-add lie within a factor of 1.5 of wanda's."""
    table, loaded = load_table(), load_model("bundled")
    seconds = {row["variant"]: row["prune_seconds"] for row in table["rows"] if row["sparsity"] == 0.5}
    text = CalibrationConfig(table["protocol"]["samples"], table["protocol"]["length"])
    each = {method: seconds[method] / prune_work(loaded, PruneConfig(method, 0.5), text) for method in METHODS}
    for method in METHODS:
        assert 1 / 1.5 < each[method] / each["wanda"] < 1.5, method


def test_what_is_at_hand_is_not_measured_again(loaded):
    for method in METHODS:
        asked = PruneConfig(method, 0.5)
        whole, rest = (prune_work(loaded, asked, TEXT, at_hand) for at_hand in (False, True))
        measured_once = asked.record.reads_text and (asked.record.noised or not asked.record.in_sequence)
        assert (rest < whole) == measured_once, method
    assert prune_work(loaded, PruneConfig("sink-wanda", 0.0), TEXT) == prune_work(
        loaded, PruneConfig("magnitude", 0.5), TEXT
    )


def test_more_text_is_more_work(loaded):
    asked = PruneConfig("sparsegpt", 0.5)
    assert prune_work(loaded, asked, replace(TEXT, samples=4)) > prune_work(loaded, asked, TEXT)


def test_a_finished_prune_corrects_its_method_and_those_that_have_not_run(loaded):
    forecast, asked, other = Forecast(1e9), PruneConfig("wanda", 0.5), PruneConfig("sparsegpt", 0.5)
    result = prune_model(loaded, asked, TEXT)
    before = forecast.seconds(loaded, asked, TEXT), forecast.seconds(loaded, other, TEXT)
    slow = replace(result, seconds=3 * before[0])
    forecast.learn(loaded, asked, TEXT, slow)
    assert forecast.seconds(loaded, asked, TEXT) == pytest.approx(3 * before[0])
    assert forecast.seconds(loaded, other, TEXT) == pytest.approx(3 * before[1])
    cut = PruneConfig("sink-wanda", 0.5)
    alone = forecast.seconds(loaded, cut, TEXT, at_hand=True)
    forecast.learn(loaded, cut, TEXT, replace(result, seconds=2 * alone, recorded=True))
    assert forecast.seconds(loaded, cut, TEXT, at_hand=True) == pytest.approx(2 * alone)


def test_nothing_is_said_of_a_machine_that_was_not_measured(loaded):
    assert Forecast(None).seconds(loaded, PruneConfig("wanda", 0.5), TEXT) is None
    assert measure_speed(loaded) > 0
