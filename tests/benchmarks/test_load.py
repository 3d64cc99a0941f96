"""Simulated visitors on the real page with a tiny model: they run, share, are refused, and leave nothing behind."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from sinkprune.benchmarks import load
from sinkprune.benchmarks.simulated import Visitor
from sinkprune.ui.page import LAUNCH, build_page
from tests.tiny_bench import tiny_bench

PROMPT = {"prompt": "why do stars shine ?", "Answer length": 32}
WAIT = 30  # seconds until a test gives up: a busy machine is no failure


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    bench = tiny_bench(tmp_path_factory.mktemp("model"))
    assert bench.loaded
    return bench


@pytest.fixture(scope="module")
def address(bench):
    page = build_page(bench)
    _, url, _ = page.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", **LAUNCH)
    yield url
    page.close()


def test_a_visitor_looks_plays_runs_and_is_refused_in_a_sentence(address):
    visitor = Visitor(address)
    assert visitor.open() > 0
    assert visitor.play(1) > 0
    done = visitor.press("run", PROMPT)
    assert (done.ended, done.words) == ("done", "")
    assert 0 < done.first <= done.seconds
    refused = visitor.press("run", {"prompt": " "})
    assert (refused.ended, refused.words) == ("refused", "The prompt is empty: type a few words.")


def test_a_class_computes_once(address, bench, monkeypatch):
    asked = []
    prune = bench.prune
    monkeypatch.setattr(bench, "prune", lambda *given, **named: asked.append(given) or prune(*given, **named))
    values = {**PROMPT, "method": "magnitude"}
    with ThreadPoolExecutor(6) as together:
        found = list(together.map(lambda _: Visitor(address).press("compare-run", values), range(6)))
    assert [outcome.ended for outcome in found] == ["done"] * 6
    assert len(asked) == 1
    assert Visitor(address).press("compare-run", values).ended == "done"
    assert len(asked) == 1


def test_who_leaves_frees_the_machine(address, bench, monkeypatch):
    """Also who leaves while waiting: the work of both stops."""
    steps = []

    def endless(*_, **__):
        while True:
            time.sleep(0.05)
            steps.append(1)
            yield {"run": "a", "lanes": []}

    monkeypatch.setattr("sinkprune.ui.server.runs.trace_run", endless)
    with ThreadPoolExecutor(2) as together:
        asked = [{**PROMPT, "Seed": seed, "seed": seed} for seed in (1, 2)]
        left = list(together.map(lambda values: Visitor(address).press("run", values, leave_after=1.5), asked))
    assert [outcome.ended for outcome in left] == ["left", "left"]
    until = time.monotonic() + WAIT
    while any(bench.lines._jobs.values()) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(bench.lines._jobs.values())
    before = len(steps)
    time.sleep(0.3)
    assert len(steps) == before


def test_visitors_come_to_this_machine_only():
    with pytest.raises(ValueError, match="this machine only"):
        Visitor("http://example.org")


@pytest.mark.parametrize("arguments", [["--visitors", "500"], ["--seconds", "99999"], ["--class", "-1"]])
def test_a_load_is_bounded(arguments, capsys):
    with pytest.raises(SystemExit):
        load.main(arguments)
    assert "at most 200 visitors" in capsys.readouterr().err


def test_the_table_counts_what_happened(capsys):
    row = {"kind": "run", "words": "", "first": 1.0, "seconds": 2.0}
    rows = [row | {"ended": "done"}, row | {"ended": "left"}, row | {"ended": "failed", "words": "hung"}]
    sizes = {"before": 1.0, "peak": 2.0, "after": 1.0}
    found = {"presses": rows, "megabytes": sizes, "page": [0.1, 0.2], "preset": [0.3]}
    load.print_load(json.loads(json.dumps(found)))
    printed = capsys.readouterr().out
    assert printed.splitlines()[1].split()[:7] == ["run", "3", "1", "1", "0", "0", "1"]
    assert "hung" in printed
