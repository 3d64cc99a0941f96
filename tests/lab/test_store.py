import dataclasses
import threading
import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sinkprune.lab.store import PrunedStore, size_in_bytes, store_key
from sinkprune.models import LoadedModel, ModelSpec
from sinkprune.pruning import CalibrationConfig, PruneConfig, PruneResult

SPEC = ModelSpec("tiny", "llama", 3)


def result_of(floats: int) -> PruneResult:
    """A result of 4 bytes per float."""
    model = nn.Module()
    model.weight = nn.Parameter(torch.zeros(floats))
    return PruneResult(LoadedModel(model, None, SPEC), [], {}, 0.5, 0.0)


def steps_to(result: PruneResult, count: int = 3):
    def build():
        yield from range(count)
        yield result

    return build


def run(steps) -> tuple[list, PruneResult]:
    *progress, result = steps
    return progress, result


def test_progress_comes_through_and_the_second_time_it_is_there():
    store, result = PrunedStore(1000), result_of(10)
    assert run(store.build("a", steps_to(result))) == ([0, 1, 2], result)
    assert run(store.build("a", steps_to(result_of(1)))) == ([], result)
    assert store.get("a") is result
    assert store.get("b") is None


def test_least_recently_used_leaves():
    store = PrunedStore(80)
    for key in "ab":
        run(store.build(key, steps_to(result_of(10))))
    store.get("a")
    run(store.build("c", steps_to(result_of(10))))
    assert store.keys() == ["a", "c"]
    assert store.bytes == 80


def test_larger_than_the_store_is_returned_but_not_kept():
    store = PrunedStore(40)
    run(store.build("a", steps_to(result_of(10))))
    large = result_of(11)
    assert run(store.build("b", steps_to(large)))[1] is large
    assert store.keys() == ["a"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 30)), max_size=40), st.integers(0, 200))
def test_the_bound_holds_under_any_sequence(asks, max_bytes):
    store = PrunedStore(max_bytes)
    for key, floats in asks:
        _, result = run(store.build(key, steps_to(result_of(floats), 1)))
        assert store.bytes == sum(size_in_bytes(store.get(kept)) for kept in list(store.keys()))
        assert store.bytes <= max_bytes
        assert store.get(key) in (result, None)


def test_a_failed_build_leaves_nothing_and_the_next_one_works():
    def failing():
        yield 0
        raise ValueError("no calibration text")

    store = PrunedStore(1000)
    with pytest.raises(ValueError, match="no calibration text"):
        run(store.build("a", failing))
    assert store.keys() == []
    assert run(store.build("a", steps_to(result_of(1))))[0] == [0, 1, 2]


def test_a_cancelled_build_leaves_nothing_and_stops_the_work():
    stopped = []

    def build():
        try:
            yield 0
            yield 1
        finally:
            stopped.append(True)

    store = PrunedStore(1000)
    visit = store.build("a", build)
    next(visit)
    visit.close()
    assert stopped == [True]
    assert store.keys() == []
    assert run(store.build("a", steps_to(result_of(1))))[0] == [0, 1, 2]


def test_two_threads_that_ask_at_once_build_once():
    store, result, builds = PrunedStore(1000), result_of(10), []
    together = threading.Barrier(2)

    def build():
        builds.append(threading.get_ident())
        for step in range(5):
            time.sleep(0.02)
            yield step
        yield result

    answers = []

    def ask():
        together.wait()
        answers.append(run(store.build("a", build)))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(builds) == 1
    assert [answer for _, answer in answers] == [result, result]
    assert all(progress and set(progress) <= set(range(5)) for progress, _ in answers)  # both saw it move


def test_taking_the_result_and_leaving_keeps_nobody_waiting():
    store, result = PrunedStore(1000), result_of(1)
    visit = store.build("a", steps_to(result))
    assert next(step for step in visit if isinstance(step, PruneResult)) is result
    assert run(store.build("a", steps_to(result_of(2)))) == ([], result)


def test_who_waits_takes_over_when_the_builder_is_cancelled():
    store, result = PrunedStore(1000), result_of(1)
    first = store.build("a", steps_to(result_of(2)))
    next(first)
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(run(store.build("a", steps_to(result)))))
    waiting.start()
    time.sleep(0.05)
    first.close()
    waiting.join(10)
    assert answers[0][1] is result


def test_the_key_tells_apart_everything_that_made_a_model():
    specs = [SPEC, dataclasses.replace(SPEC, revision="b"), dataclasses.replace(SPEC, name="other")]
    prunes = [
        PruneConfig(),
        PruneConfig("wanda"),
        PruneConfig(sparsity=0.6),
        PruneConfig(pattern=(2, 4)),
        PruneConfig(sink_weight=False),
    ]
    calibrations = [CalibrationConfig(), CalibrationConfig(seed=1), CalibrationConfig(samples=8)]
    keys = {store_key(s, p, c) for s in specs for p in prunes for c in calibrations}
    assert len(keys) == len(specs) * len(prunes) * len(calibrations)
    assert store_key(SPEC, PruneConfig(), CalibrationConfig()) == store_key(SPEC, PruneConfig(), CalibrationConfig())


def test_shared_weights_count_once():
    result = result_of(10)
    result.loaded.model.tied = result.loaded.model.weight
    result.masks["model.layers.0.mlp.up_proj"] = torch.zeros(6, dtype=torch.bool)
    assert size_in_bytes(result) == 46
