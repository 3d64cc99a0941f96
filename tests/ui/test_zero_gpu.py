"""The page on ZeroGPU, whose calls run in forked workers: nothing that a worker learns may be missed in the next call."""

from __future__ import annotations

import inspect
import os
import sys

import gradio as gr
import pytest
from forking_spaces import module

from sinkprune.traces.check import check_trace
from sinkprune.ui.page import build_page
from sinkprune.ui.server.workbench import Workbench
from sinkprune.ui.server.zero_gpu import MOST_SECONDS, estimated_seconds, on_gpu, zero_gpu

SHORT = {"prompt": "why", "gen_length": 16, "block_length": 16}


@pytest.fixture(scope="module")
def page(model_folder):
    """(the page's Blocks, its Workbench, the calls made so far)."""
    calls = []
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setitem(sys.modules, "spaces", module(calls))
        monkeypatch.setenv("SPACES_ZERO_GPU", "true")
        bench = Workbench(str(model_folder))
        yield build_page(bench), bench, calls


def call(page, name: str, bench, **inputs):
    """An endpoint called as its function, missing inputs at their defaults; all that it yields or the one thing it returns."""
    function = next(event.fn for event in page.fns.values() if event.api_name == name)
    bound = inspect.signature(function).bind(**inputs, model=bench.name)
    bound.apply_defaults()
    result = function(*bound.args)
    return list(result) if inspect.isgenerator(result) else [result]


def test_elsewhere_nothing_happens(monkeypatch):
    def task():
        return 1

    monkeypatch.delenv("SPACES_ZERO_GPU", raising=False)
    monkeypatch.setitem(sys.modules, "spaces", module([]))
    assert zero_gpu() is None
    assert on_gpu(task, 5) is task


def test_the_stand_in_forgets_as_zero_gpu_does(monkeypatch):
    seen = []
    monkeypatch.setenv("SPACES_ZERO_GPU", "1")
    monkeypatch.setitem(sys.modules, "spaces", module([]))
    assert on_gpu(lambda: seen.append(1) or os.getpid(), 5)() != os.getpid()
    assert seen == []
    with pytest.raises(gr.Error, match="in words"):
        on_gpu(_refuse, 5)()


def _refuse():
    raise gr.Error("in words")


def test_the_model_is_there_before_the_first_call(page):
    assert page[1].ready


def test_every_endpoint_is_such_a_call(page):
    endpoints = [
        event for event in page[0].fns.values() if event.concurrency_id == "model" and not event.inputs_as_dict
    ]
    named = [event for event in endpoints if event.api_visibility == "public"]
    assert len(named) == 6
    assert all(hasattr(event.fn, "__wrapped__") for event in named)


def test_every_run_of_the_page_is_such_a_call(page):
    demo, _, calls = page
    pressed = [event for event in demo.fns.values() if event.concurrency_id == "model" and event.input_keyword_names]
    assert len(pressed) == 8  # watch, compare, changes, what if, touch, all methods, sweep, microscope
    for event in pressed:
        before = len(calls)
        values = {
            name: component.value for name, component in zip(event.input_keyword_names, event.inputs, strict=True)
        }
        bad = {name: value for name, value in (("prompt", ""), ("made", None), ("methods", [])) if name in values}
        last = list(event.fn(**values | bad))[-1]
        assert any("Not started" in str(value) for value in last.values())
        assert len(calls) == before + 1


def test_compare_prunes_and_writes_in_one_call_and_again_without_memory(page):
    demo, bench, calls = page
    before = len(calls)
    asked = {**SHORT, "method": "magnitude", "sparsity": 0.5}
    first, again = (call(demo, "compare", bench, **asked)[-1] for _ in range(2))
    assert len(calls) == before + 2
    assert bench.store.keys() == []  # the copies were made in workers, and went with them
    for result in (first, again):
        check_trace(result["trace"])
        assert all(lane["done"] for lane in result["trace"]["lanes"])
    assert [lane["text"] for lane in first["trace"]["lanes"]] == [lane["text"] for lane in again["trace"]["lanes"]]
    assert first["card"]["pruned"]["sparsity_achieved"] == pytest.approx(0.5, abs=0.01)


def test_the_pages_own_comparison_streams_out_of_the_worker(page):
    demo, bench, _ = page
    event = next(e for e in demo.fns.values() if {"linked", "method"} <= set(e.input_keyword_names))
    values = {name: component.value for name, component in zip(event.input_keyword_names, event.inputs, strict=True)}
    updates = list(event.fn(**values | {"prompt": "why", "method": "magnitude", "gen_length": 32}))
    traces = [value for update in updates for value in update.values() if isinstance(value, dict) and "lanes" in value]
    assert len(traces) > 2
    assert all(lane["done"] for lane in traces[-1]["lanes"])
    assert bench.store.keys() == []


def test_refusals_come_back_in_words(page):
    demo, bench, _ = page
    with pytest.raises(gr.Error, match="method must be one of"):
        call(demo, "compare", bench, **SHORT, method="random")


def test_maps_come_from_workers_too_and_a_copy_that_is_gone_is_said(page):
    demo, bench, calls = page
    trace = call(demo, "compare", bench, **SHORT, method="magnitude")[-1]["trace"]
    dense, pruned = trace["lanes"]
    ids = dense["ids"] + [dense["maskId"]] * 16
    question = {"model": dense["model"], "kind": "dlm", "layer": 0, "head": 0, "ids": ids}
    before = len(calls)
    assert bench.answer_map(question)["length"] == len(ids)
    with pytest.raises(ValueError, match="no longer in memory"):
        bench.answer_map({**question, "model": pruned["model"]})
    assert len(calls) == before + 2


def test_durations_follow_from_the_inputs(page):
    demo, bench, calls = page
    call(demo, "generate", bench, **SHORT)
    call(demo, "compare", bench, **SHORT, method="magnitude")
    assert all(10 <= seconds <= MOST_SECONDS for _, seconds in calls)

    big = 8_000_000_000
    asked = [
        {"gen_length": 96},
        {"gen_length": 96, "method": "wanda", "samples": 32},
        {"gen_length": 96, "method": "sink-wanda", "samples": 32},
        {"gen_length": 96, "method": "sink-wanda", "samples": 64},
    ]
    seconds = [estimated_seconds(big, inputs) for inputs in asked]
    assert seconds == sorted(seconds)
    assert seconds[0] < seconds[1] < seconds[2]
    assert estimated_seconds(big, {"method": "sparsegpt"}) > estimated_seconds(big, {"method": "wanda"})
    assert estimated_seconds(50_000_000, asked[3]) < 20
    assert estimated_seconds(big, {"prompt": "a", "method": None}) == 10
