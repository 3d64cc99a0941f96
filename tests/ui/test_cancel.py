"""A visitor who leaves, wherever the work is: the weights, the store and the recorder are as before, and the next one is served at once."""

from __future__ import annotations

import time

import pytest

from sinkprune.models import watching
from sinkprune.sinks import record_attention
from sinkprune.ui import api, events
from tests.fuzz import Fuzzed
from tests.tiny_bench import tiny_bench

PROMPT = "why do stars shine ?"
FEW = {"gen_length": 32, "block_length": 32, "samples": 8}
SECONDS = 2.0  # of computing, so that a busy machine is no failure


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    bench = tiny_bench(tmp_path_factory.mktemp("model"))
    assert bench.loaded
    return bench


@pytest.fixture(scope="module")
def endpoints(bench):
    return api.Endpoints(bench)


@pytest.fixture(autouse=True)
def every_step(monkeypatch):
    """Each step is seen, so that a visitor can leave at each."""
    monkeypatch.setattr(events, "EVERY", 0.0)


def calls(endpoints, bench):
    """Name -> a fresh run: looking, writing, and pruning in each phase (sinks, calibration, cut), decoding and likelihood after it."""
    model = {"model": bench.name}
    return {
        "trace": lambda: endpoints.trace(PROMPT, gen_length=32, autoregressive=False, **model),
        "generate": lambda: endpoints.generate(PROMPT, gen_length=32, threshold=None, **model),
        "prune by sink-wanda": lambda: endpoints.prune("sink-wanda", samples=8, **model),
        "prune by wanda": lambda: endpoints.prune("wanda", samples=8, **model),
        "prune by sink-sparsegpt": lambda: endpoints.prune("sink-sparsegpt", samples=8, **model),
        "prune by structured": lambda: endpoints.prune("structured", samples=8, **model),
        "compare": lambda: endpoints.compare(PROMPT, "sparsegpt", **FEW, **model),
        "compare_all": lambda: endpoints.compare_all(PROMPT, **FEW, **model),
        "sweep": lambda: endpoints.sweep(["wanda", "magnitude"], [0.5], samples=8, **model),
    }


def kept(bench) -> list:
    """What the store takes."""
    return [bench.store.bytes]


@pytest.mark.parametrize("name", list(calls(None, type("Named", (), {"name": ""}))))
def test_leaving_at_any_step_leaves_nothing(bench, endpoints, name):
    state = Fuzzed(bench, None).state()
    run = calls(endpoints, bench)[name]
    stops = (1, 2, 3, 5, 8, 13, 21, 34, 55)
    for stop in stops:
        steps, before, finished = run(), kept(bench), False
        for _ in range(stop):
            if next(steps, None) is None:
                finished = True
                break
        steps.close()
        began = time.process_time()
        next(endpoints.generate(PROMPT, gen_length=32, model=bench.name))
        assert time.process_time() - began < SECONDS
        assert Fuzzed(bench, None).state() == state
        assert watching._present.get() == ()
        with record_attention(bench.loaded) as recording:
            assert recording is not None
        if name.startswith(("trace", "generate")):
            assert kept(bench) == before
        assert bench.store.bytes <= bench.store.max_bytes
        if finished:
            break


@pytest.mark.parametrize(
    "method", ["sink-wanda", "wanda", "sparsegpt", "sink-sparsegpt", "structured", "sink-structured"]
)
def test_a_prune_that_is_left_is_not_in_the_store(tmp_path, method):
    bench = tiny_bench(tmp_path)
    endpoints = api.Endpoints(bench)
    stop = 1
    while True:
        steps = endpoints.prune(method, samples=8, model=bench.name)
        seen = [value for _, value in zip(range(stop), steps, strict=False)]
        steps.close()
        if any("key" in value for value in seen):
            assert bench.store.bytes > 0
            return
        assert bench.store.bytes == 0
        stop *= 2
