"""Every method at one sparsity, on a tiny random model: what streams, what the rows say, what stops it."""

from contextlib import closing

import pytest

from sinkprune.decoding import DecodeConfig, generate
from sinkprune.lab.all_methods import ORDER, MethodRow, Refusal, Underway, compare_all
from sinkprune.models import encode_prompt
from sinkprune.pruning import METHODS, STRUCTURED, CalibrationConfig, PruneConfig, prune_model

CONFIG = DecodeConfig(gen_length=16, block_length=8, threshold=0.9)
PROMPT = "why do stars shine ?"
CALIBRATION = CalibrationConfig(samples=2, length=16)


def rows_of(steps) -> list[MethodRow]:
    return [step for step in steps if isinstance(step, MethodRow)]


def test_the_order_holds_every_method_once():
    assert sorted(ORDER) == sorted(METHODS)


def test_the_dense_row_comes_first_and_then_one_row_a_method(loaded, prune):
    steps = list(compare_all(loaded, PROMPT, CONFIG, PruneConfig(sparsity=0.5), CALIBRATION, prune))
    rows = rows_of(steps)
    assert [row.method for row in rows] == ["dense", *ORDER]
    dense = rows[0]
    assert (dense.agreement, dense.above_dense, dense.error, dense.achieved) == (1.0, 0.0, 0.0, 0.0)
    assert dense.nats == dense.own_nats
    for row in rows[1:]:
        assert row.above_dense == pytest.approx(row.nats - dense.nats)
        assert row.error > 0
        assert row.achieved == pytest.approx(0.5, abs=0.1)
        assert row.prune_seconds > 0
        assert (row.megabytes < dense.megabytes) == (row.method in STRUCTURED)
    assert {step.doing for step in steps if isinstance(step, Underway)} == {"pruning", "writing", "measuring"}


def test_a_row_says_what_the_copy_writes_on_its_own(loaded, prune):
    row = rows_of(compare_all(loaded, PROMPT, CONFIG, PruneConfig(sparsity=0.5), CALIBRATION, prune, ["magnitude"]))[1]
    copy = prune_model(loaded, PruneConfig("magnitude", 0.5)).loaded
    result = generate(copy, encode_prompt(loaded, PROMPT), CONFIG)
    assert row.text == loaded.tokenizer.decode(result.tokens[0, -16:][: row.tokens], skip_special_tokens=True)
    assert row.forwards == result.nfe


def test_sparsity_nought_is_the_dense_model(loaded, prune):
    dense, *others = rows_of(compare_all(loaded, PROMPT, CONFIG, PruneConfig(sparsity=0.0), CALIBRATION, prune))
    for row in others:
        assert (row.text, row.nats, row.agreement, row.error) == (dense.text, dense.nats, 1.0, 0.0)


def test_what_a_method_cannot_do_is_said_and_costs_no_other_row(loaded, prune):
    steps = list(compare_all(loaded, PROMPT, CONFIG, PruneConfig("wanda", pattern=(2, 4)), CALIBRATION, prune))
    refused = [step for step in steps if isinstance(step, Refusal)]
    assert [step.method for step in refused] == [method for method in ORDER if method in STRUCTURED]
    assert all("whole channels and heads" in step.sentence for step in refused)
    assert len(rows_of(steps)) == len(METHODS) - len(STRUCTURED) + 1


def test_the_second_time_nothing_is_pruned_again(loaded, prune):
    asked = (loaded, PROMPT, CONFIG, PruneConfig(sparsity=0.5), CALIBRATION, prune)
    first = rows_of(compare_all(*asked))
    assert len(prune.asked) == len(METHODS)
    again = rows_of(compare_all(*asked))
    assert len(prune.asked) == len(METHODS)
    assert [row.text for row in again] == [row.text for row in first]
    assert [row.prune_seconds for row in again] == [row.prune_seconds for row in first]


def test_closing_stops_inside_a_prune(loaded):
    closed = []

    def endless(pruning, calibration):
        try:
            while True:
                yield None
        finally:
            closed.append(pruning.method)

    with closing(compare_all(loaded, PROMPT, CONFIG, PruneConfig(), CALIBRATION, endless)) as steps:
        next(step for step in steps if isinstance(step, Underway) and step.doing == "pruning")
    assert closed == ["magnitude"]


def test_a_bad_prompt_is_refused_at_the_call(loaded, prune):
    with pytest.raises(ValueError, match="type a few words"):
        compare_all(loaded, " ", CONFIG, PruneConfig(), CALIBRATION, prune)
