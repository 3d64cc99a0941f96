import copy
import dataclasses
import gc
import threading
import time
import weakref

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sinkprune.lab.store import PrunedStore, store_key
from sinkprune.models import LoadedModel, ModelSpec
from sinkprune.pruning import CalibrationConfig, PruneConfig, PruneResult

SPEC = ModelSpec("tiny", "llama", 3)


LARGEST = 30
DENSE = LoadedModel(
    nn.ModuleDict({str(size): nn.Linear(8 * size, 1, bias=False) for size in range(1, LARGEST + 1)}), None, SPEC
)


def result_of(size: int, made: float = 0.0) -> PruneResult:
    """A copy with one linear pruned, whose mask has `size` bytes of bits. made: to tell it apart, as its seconds."""
    model = copy.deepcopy(DENSE.model).requires_grad_(False)
    model[str(size)].weight.zero_()
    mask = torch.ones(1, 8 * size, dtype=torch.bool)
    return PruneResult(LoadedModel(model, None, SPEC), [], {str(size): mask}, 0.5, made)


def steps_to(result: PruneResult, count: int = 3):
    def build():
        yield from range(count)
        yield result

    return build


def run(steps) -> tuple[list, PruneResult]:
    *progress, result = steps
    return progress, result


def ask(store: PrunedStore, key: str, result: PruneResult, count: int = 3) -> tuple[list, PruneResult]:
    return run(store.build(key, DENSE, steps_to(result, count)))


def test_progress_comes_through_and_the_second_time_it_is_there():
    store = PrunedStore(1000)
    progress, built = ask(store, "a", result_of(10, made=1))
    assert (progress, built.seconds) == ([0, 1, 2], 1)
    progress, again = ask(store, "a", result_of(1, made=2))
    assert progress == []
    assert again is built  # one model for all who use it now
    assert store.get("a") is built
    assert store.get("b") is None


def test_least_recently_used_leaves():
    store = PrunedStore(20)
    for key in "ab":
        ask(store, key, result_of(10))
    store.get("a")
    ask(store, "c", result_of(10))
    assert store.keys() == ["a", "c"]
    assert store.bytes == 20


def test_larger_than_the_store_is_returned_but_not_kept():
    store = PrunedStore(10)
    ask(store, "a", result_of(10))
    large = result_of(11)
    assert ask(store, "b", large)[1] is large
    assert store.keys() == ["a"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(1, LARGEST)), max_size=40), st.integers(0, 60))
def test_the_bound_holds_under_any_sequence(asks, max_bytes):
    store, sizes = PrunedStore(max_bytes), {}
    for key, size in asks:
        if store.get(key) is None:
            sizes[key] = size
        _, result = ask(store, key, result_of(size, made=size), 1)
        assert result.seconds == sizes[key]
        kept = store.keys()
        assert store.bytes == sum(sizes[key] for key in kept) <= max_bytes
        assert (key in kept) == (sizes[key] <= max_bytes)


def test_models_nobody_uses_leave_memory_and_come_back():
    store = PrunedStore(1000)
    first, second = (
        weakref.ref(ask(store, key, result_of(size))[1].loaded.model) for key, size in (("a", 3), ("b", 4))
    )
    gc.collect()
    assert first() is None
    assert second() is not None  # used last: whoever comes back to it need not wait
    again = store.get("a").loaded.model
    assert (again["3"].weight == 0).all()
    assert again["4"].weight is DENSE.model["4"].weight  # not touched by this pruning: one tensor for all copies
    gc.collect()
    assert second() is None


def test_a_failed_build_leaves_nothing_and_the_next_one_works():
    def failing():
        yield 0
        raise ValueError("no calibration text")

    store = PrunedStore(1000)
    with pytest.raises(ValueError, match="no calibration text"):
        run(store.build("a", DENSE, failing))
    assert store.keys() == []
    assert ask(store, "a", result_of(1))[0] == [0, 1, 2]


def test_a_cancelled_build_leaves_nothing_and_stops_the_work():
    stopped = []

    def build():
        try:
            yield 0
            yield 1
        finally:
            stopped.append(True)

    store = PrunedStore(1000)
    visit = store.build("a", DENSE, build)
    next(visit)
    visit.close()
    assert stopped == [True]
    assert store.keys() == []
    assert ask(store, "a", result_of(1))[0] == [0, 1, 2]


def test_two_threads_that_ask_at_once_build_once():
    store, builds = PrunedStore(1000), []
    together = threading.Barrier(2)

    def build():
        builds.append(threading.get_ident())
        for step in range(5):
            time.sleep(0.02)
            yield step
        yield result_of(10)

    answers = []

    def visit():
        together.wait()
        answers.append(run(store.build("a", DENSE, build)))

    threads = [threading.Thread(target=visit) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(builds) == 1
    assert answers[0][1] is answers[1][1]
    assert all(progress and set(progress) <= set(range(5)) for progress, _ in answers)  # both saw it move


def test_taking_the_result_and_leaving_keeps_nobody_waiting():
    store = PrunedStore(1000)
    visit = store.build("a", DENSE, steps_to(result_of(1, made=1)))
    assert next(step for step in visit if isinstance(step, PruneResult)).seconds == 1
    progress, result = ask(store, "a", result_of(2, made=2))
    assert (progress, result.seconds) == ([], 1)


def test_who_waits_takes_over_when_the_builder_is_cancelled():
    store = PrunedStore(1000)
    first = store.build("a", DENSE, steps_to(result_of(2, made=2)))
    next(first)
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(ask(store, "a", result_of(1, made=1))))
    waiting.start()
    time.sleep(0.05)
    first.close()
    waiting.join(10)
    assert answers[0][1].seconds == 1


def test_the_key_tells_apart_everything_that_made_a_model():
    specs = [SPEC, dataclasses.replace(SPEC, revision="b"), dataclasses.replace(SPEC, name="other")]
    prunes = [
        PruneConfig(),
        PruneConfig("wanda"),
        PruneConfig(sparsity=0.6),
        PruneConfig(pattern=(2, 4)),
        PruneConfig(sink_weight=False),
        PruneConfig(sink_rule="paper"),
        PruneConfig("structured"),
        PruneConfig("structured", allocation="global"),
    ]
    calibrations = [CalibrationConfig(), CalibrationConfig(seed=1), CalibrationConfig(samples=8)]
    keys = {store_key(s, p, c) for s in specs for p in prunes for c in calibrations}
    assert len(keys) == len(specs) * len(prunes) * len(calibrations)
    assert store_key(SPEC, PruneConfig(), CalibrationConfig()) == store_key(SPEC, PruneConfig(), CalibrationConfig())


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (PruneConfig("wanda", sink_rule="paper"), PruneConfig("wanda")),
        (PruneConfig("wanda", 0.3, (2, 4)), PruneConfig("wanda", 0.6, (2, 4))),
        (PruneConfig(sink_weight=False, sink_rule="paper"), PruneConfig(sink_weight=False)),
        (PruneConfig("sparsegpt", allocation="global"), PruneConfig("sparsegpt")),
    ],
)
def test_settings_without_a_say_make_no_second_copy(first, second):
    calibration = CalibrationConfig()
    assert store_key(SPEC, first, calibration) == store_key(SPEC, second, calibration)


def test_magnitude_needs_no_text():
    keys = {store_key(SPEC, PruneConfig("magnitude"), CalibrationConfig(seed=seed)) for seed in range(3)}
    assert len(keys) == 1
