"""What if, without a browser: each change runs, its link gives the same run, and bad values get a sentence."""

from __future__ import annotations

from contextlib import closing
from urllib.parse import parse_qsl

import gradio as gr
import pytest

from sinkprune.models import watching
from sinkprune.traces.check import check_trace
from sinkprune.traces.touch import Edit, Touch
from sinkprune.ui.api import Endpoints
from sinkprune.ui.inputs import DECODING
from sinkprune.ui.sections.what_if import _go_on, _put, _try
from sinkprune.ui.server.links import link_to, read_link
from sinkprune.ui.what_if_inputs import CHANGES, WHAT_IF, what_if_from
from tests.tiny_bench import tiny_bench

VALUES = (
    WHAT_IF
    | DECODING
    | {"gen_length": 32, "prompt": "why do stars shine ?", "heads_count": 1, "blanks": "stars ___ light"}
)
EACH = [
    {"change": "cover", "covered_count": 2.0},
    {"change": "cover", "covered": "least", "covered_where": "all"},
    {"change": "keys", "kept_share": 0.25, "kept_by": "no-sinks"},
    {"change": "heads", "heads": "highest"},
    {"change": "blanks", "blank_tokens": 3},
]


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return tiny_bench(tmp_path_factory.mktemp("model"))


def press(bench, values) -> dict:
    last = {}
    for update in _try(bench, values):
        last |= update
    return last


@pytest.mark.parametrize("change", EACH)
def test_each_change_runs_and_its_link_asks_for_the_same(bench, change):
    values = VALUES | change
    shown = press(bench, values)
    trace = {name: value for name, value in shown["shown"].items() if name != "query"}
    check_trace(trace)
    assert all(lane["done"] for lane in trace["lanes"])
    assert len(trace["lanes"]) == (1 if change["change"] == "blanks" else 3)
    assert ("Bits lost" in shown["table"]) == (change["change"] != "blanks")
    link = read_link(dict(parse_qsl(shown["shown"]["query"].removeprefix("?"))))
    assert link.tab == "whatif"
    assert what_if_from(link.values) == what_if_from(values)
    assert what_if_from(link.values).key == what_if_from(values).key
    assert watching._present.get() == ()


@pytest.mark.parametrize(
    "bad",
    [
        {"change": "delete"},
        {"change": None},
        {"covered": "<img>"},
        {"covered_count": 0},
        {"covered_count": 11},
        {"covered_count": "3"},
        {"covered_count": float("nan")},
        {"covered_count": 1.5},
        {"lane": ["dlm"]},
        {"lane": "ar", "covered_protocol": "paper", "covered_where": "all"},
        {"change": "keys", "kept_share": 1.5},
        {"change": "keys", "kept_by": "all"},
        {"change": "heads", "heads_count": 65},
        {"change": "heads", "heads_count": True},
        {"change": "blanks", "blanks": "none"},
        {"change": "blanks", "blanks": None},
        {"change": "blanks", "blanks": "___ " * 300},
        {"change": "blanks", "blank_tokens": 9},
    ],
)
def test_what_is_not_offered_is_refused_in_words(bench, bad):
    with pytest.raises(ValueError, match=r"\w+ \w+ \w+"):
        press(bench, VALUES | bad)


@pytest.mark.parametrize("protocol", ["alike", "paper"])
def test_the_autoregressive_lane_is_linked_and_a_model_without_it_says_so(bench, protocol):
    values = VALUES | {"lane": "ar", "covered_protocol": protocol}
    asked = what_if_from(values)
    link = read_link(dict(parse_qsl(link_to(asked).removeprefix("?"))))
    assert what_if_from(link.values) == asked
    with pytest.raises(ValueError, match="only denoises"):
        press(bench, values)


def test_a_model_of_fewer_heads_says_so(bench):
    with pytest.raises(ValueError, match="heads"):
        press(bench, VALUES | {"change": "heads", "heads_count": 64})


def test_two_visitors_who_change_different_things_get_what_each_would_get_alone(bench, monkeypatch):
    monkeypatch.setattr("sinkprune.ui.server.scheduler.LOOKS_UP", 0.0)  # the one who waits is not waited for

    def texts(trace):
        return [lane["text"] for lane in trace["lanes"]]

    first, second = VALUES | EACH[0] | {"seed": 1}, VALUES | EACH[3] | {"seed": 1}
    alone = [texts(press(bench, values)["shown"]) for values in (first, second)]
    bench.kept = type(bench.kept)(bench.kept.max_bytes, bench.kept._size, bench.kept._passing)
    runs = [_try(bench, values) for values in (first, second)]
    last = [{}, {}]
    while runs:
        for run in list(runs):
            update = next(run, None)
            if update is None:
                runs.remove(run)
            elif "shown" in update:
                last[
                    0 if len(update["shown"]["lanes"]) > 1 and update["shown"]["lanes"][1]["title"] == "Covered" else 1
                ] = update
    assert [texts(update["shown"]) for update in last] == alone


def leave(bench, values, stop) -> None:
    """A visitor goes after so many updates; nothing of the run may stay."""
    kept = bench.kept.bytes
    with closing(_try(bench, values)) as run:
        for _ in range(stop):
            next(run)
    assert watching._present.get() == ()
    assert bench.kept.bytes == kept
    assert not bench.kept._under_way


@pytest.mark.parametrize("stop", [1, 2, 4, 9, 20])
def test_a_run_that_is_left_leaves_nothing(bench, stop):
    leave(bench, VALUES | EACH[0] | {"seed": 10 + stop}, stop)


TOUCHED = [({"change": "cover"}, 1), ({"change": "keys"}, 0), ({"change": "blanks"}, 0)]


def touch(bench, shown, lane, token="sea", after=1) -> dict:
    """What the page shows after a visitor has put a token at the first place of the answer that holds one."""
    place = shown["shown"]["lanes"][lane]["frames"][0]["committed"][0][0]
    last = {}
    for update in _go_on(bench, {"trace": shown["last"], "put": (lane, Edit(after, place, token))}):
        last |= update
    return last


@pytest.mark.parametrize(("change", "lane"), TOUCHED)
def test_a_touched_token_stands_beside_the_old_run_and_its_link_and_endpoint_give_the_same(bench, change, lane):
    values = VALUES | change | {"seed": 3}
    before = press(bench, values)
    assert "candidates" in before["shown"]["lanes"][0]["frames"][0]
    once = touch(bench, before, lane)
    trace = {name: value for name, value in once["shown"].items() if name != "query"}
    check_trace(trace)
    assert trace["lanes"][0] == before["shown"]["lanes"][lane]
    assert trace["lanes"][1]["title"] == "Touched after step 1"
    assert "went on" in once["status"]
    link = read_link(dict(parse_qsl(once["shown"]["query"].removeprefix("?"))))
    assert what_if_from(link.values) == what_if_from(values)
    assert link.touch.lane == lane

    bench.kept = type(bench.kept)(bench.kept.max_bytes, bench.kept._size, bench.kept._passing)  # written from the start
    linked = press(bench, link.values | {"linked": link.touch})
    texts = [lane["text"] for lane in trace["lanes"]]
    assert [lane["text"] for lane in linked["shown"]["lanes"]] == texts
    assert linked["linked"] is None  # the next press asks for a run that nobody touched

    twice = touch(bench, linked, 1, token=None, after=2)
    assert [lane["title"] for lane in twice["shown"]["lanes"]] == ["Touched after step 1", "Touched after step 1 and 2"]
    assert twice["shown"]["lanes"][0]["text"] == texts[1]
    assert len(touch(bench, twice, 0)["shown"]["settings"]["touched"]["edits"]) == 2
    if change["change"] == "cover":
        *_, told = Endpoints(bench).trace(
            values["prompt"], gen_length=32, model=bench.name, seed=3, cover="leading", controls=True,
            edits=link.touch.as_lists(), edited_lane=lane, closely=True,
        )  # fmt: skip
        assert [lane["text"] for lane in told["lanes"]] == texts
    assert watching._present.get() == ()


@pytest.mark.parametrize("stop", [1, 3, 8])
def test_a_touched_run_that_is_left_leaves_nothing(bench, stop):
    leave(bench, VALUES | {"seed": 30 + stop, "linked": Touch(1, (Edit(2, 20, "sea"),))}, stop)


@pytest.mark.parametrize(
    "put", [None, [], {}, {"lane": 0}, {"lane": 0, "after": "2", "position": 20, "token": "a"},
            {"lane": 0, "after": 2, "position": 20, "token": ["a"]}]
)  # fmt: skip
def test_what_is_put_is_refused_in_words(put):
    with pytest.raises(gr.Error, match=r"\w+ \w+ \w+"):
        _put(gr.EventData(None, put))


@pytest.mark.parametrize(
    "put", [(None, Edit(2, 20, "sea")), (3, Edit(2, 20, "sea")), (0, Edit(2, 0, "sea")), (0, Edit(99, 20, "sea")),
            (0, Edit(2, 20, "sun sea"))]
)  # fmt: skip
def test_a_touch_that_does_not_fit_the_run_is_refused_in_words(bench, put):
    shown = press(bench, VALUES)
    with pytest.raises(ValueError, match=r"\w+ \w+ \w+"):
        list(_go_on(bench, {"trace": shown["last"], "put": put}))
    with pytest.raises(ValueError, match="press Try it first"):
        list(_go_on(bench, {"trace": None, "put": put}))


def test_every_change_has_words():
    from sinkprune.ui.words.what_if import ABOUT_CHANGE

    assert ABOUT_CHANGE.keys() == CHANGES.keys()


CHANGED = [
    {"cover": "leading", "cover_count": 2, "controls": True},
    {"cover": "given", "cover_positions": [0, 3]},
    {"leave_out_heads": "lowest", "heads_count": 1, "controls": True},
    {"cache": "sparse", "retention": 0.25, "keep": "random", "delay": 1, "kernel": 3},
    {"cache": "sparse", "retention": 0.25, "controls": True},
    {"closely": True},
    {"cfg_scale": 0.5},
    {"blanks": "stars ___ light", "blank_tokens": 3},
]


@pytest.mark.parametrize("asked", CHANGED)
def test_the_endpoints_take_every_change(bench, asked):
    short = {"gen_length": 32, "block_length": 16, "model": bench.name}
    *_, trace = Endpoints(bench).trace("why do stars shine ?", autoregressive=False, **short, **asked)
    check_trace({name: value for name, value in trace.items() if name not in ("kept", "what_if")})
    assert ("what_if" in trace) == asked.get("controls", False)
    asked = dict(asked)
    if "controls" in asked:
        lane = trace["lanes"][1]
        assert trace["what_if"][1]["text"] == lane["text"]
        asked = {name: value for name, value in asked.items() if name != "controls"}
    else:
        (lane,) = trace["lanes"]
    if asked.pop("closely", False):
        assert {"candidates", "values"} <= lane["frames"][0].keys()
    *_, written = Endpoints(bench).generate("why do stars shine ?", **short, **asked)
    assert (written["text"], written["forwards"]) == (lane["text"], lane["nfe"])


@pytest.mark.parametrize(
    "bad",
    [
        {"cover": "all"},
        {"cover": "given"},
        {"cover": "given", "cover_positions": ["x"]},
        {"cover": "given", "cover_positions": [10**6]},
        {"cover": "leading", "cover_count": 99},
        {"cover": "leading", "cover_count": None},
        {"cover": "leading", "leave_out_heads": "lowest"},
        {"leave_out_heads": "lowest", "heads_count": 10**9},
        {"retention": 0.25},
        {"cache": "sparse", "retention": "half"},
        {"cache": "sparse", "kernel": 2},
        {"cfg_scale": -1},
        {"cfg_scale": None},
        {"blanks": "none"},
        {"blanks": ["___"]},
        {"blanks": "___", "blank_tokens": 0},
        {"edits": "x"},
        {"edits": [[2, 20]], "edited_lane": 1},
        {"edits": [[2, 20, "sea"]], "edited_lane": "0"},
        {"controls": True, "cover": "leading", "controls_lane": "both"},
    ],
)
def test_the_endpoints_refuse_in_words(bench, bad):
    both = not bad.keys() & {"edits", "controls"}
    for endpoint in (Endpoints(bench).trace, Endpoints(bench).generate)[: 1 + both]:
        more = {"autoregressive": False} if endpoint.__name__ == "trace" else {}
        with pytest.raises(gr.Error, match=r"\w+ \w+ \w+"):
            list(endpoint("why do stars shine ?", gen_length=32, model=bench.name, **more, **bad))
