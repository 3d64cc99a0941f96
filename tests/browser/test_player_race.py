"""Modules of the player that compare: axis and clock over steps and measured time, moves of the lead, differences, heads, scenes."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from player_traces import make_trace

from sinkprune.ui.server.light_traces import RecentRuns

pytestmark = pytest.mark.browser

SMALL = {"length": 46, "steps": 6, "layers": 2, "heads": 2, "block": 16}


def timed(*lanes):
    """A finished run, as far as an axis needs it, whose lanes' steps were done at these seconds."""
    made = [{"kind": "dlm", "done": True, "frames": [{"seconds": second} for second in lane]} for lane in lanes]
    return {"lanes": made, "steps": max(map(len, lanes)), "done": True, "settings": {}}


def test_measured_time_lets_every_lane_be_where_it_was(run):
    function = """(m, r) => { const axis = m.makeAxis("time", r);
      return [axis.marks, axis.marks.map((_, tick) => r.lanes.map((lane) => axis.stepOf(lane, tick))),
        r.lanes.map((lane) => axis.tickOf(lane, 1)), [0, 0.15, 0.55, 9].map(axis.tickAt), axis.left(r.lanes[1], 2)]; }"""
    marks, steps, ticks, places, left = run("axis", function, timed([0.1, 0.2, 0.6], [0.2, 0.5]))
    assert marks == [0.1, 0.2, 0.5, 0.6]
    assert steps == [[0, 0], [1, 0], [1, 1], [2, 1]]
    assert ticks == [1, 2]
    assert (places, left) == ([0, 0, 2, 3], 0.5)


def test_steps_let_the_shorter_lane_wait_at_its_end(run):
    function = """(m, r) => { const axis = m.makeAxis("steps", r);
      return [axis.end, axis.marks, [0, 1, 2].map((tick) => r.lanes.map((lane) => axis.stepOf(lane, tick)))]; }"""
    assert run("axis", function, timed([0.1, 0.2, 0.6], [0.2, 0.5])) == [3, None, [[0, 0], [1, 1], [2, 1]]]


def test_the_clock_runs_through_marks_at_their_distance(run):
    function = """(m) => { const c = new m.Clock(); c.setLast(3, [0.1, 0.2, 0.5, 0.6]); c.speed = 1; c.seek(0); c.play();
      const seen = []; for (let i = 0; i < 12; i++) { c.advance(0.05); seen.push(c.step); }
      c.pause(); c.seek(2); const at = c.position; c.setLast(3, null); return [seen, at, c.step]; }"""
    seen, at, step = run("clock", function)
    assert seen == [0, 1, 1, 1, 1, 1, 1, 2, 2, 3, 3, 3]
    assert (at, step) == (0.5, 1)


def test_moves_of_the_lead_are_found_in_every_lane(run):
    function = """(m, r) => import('/player/axis.js').then((a) => m.sinkMoves(r.lanes.map((lane, laneIndex) => ({
      lane, laneIndex, axis: a.makeAxis("steps", r), track: r.tracks[laneIndex]}))))"""
    tracks = [{"leaders": [4, 7, 7], "moved": [1]}, {"leaders": [0, 0], "moved": []}]
    found = run("scenes", function, timed([1, 2, 3], [1, 2]) | {"tracks": tracks})
    assert found == [{"tick": 1, "laneIndex": 0, "position": 7}]
    track = "(m, rows) => m.trackSinks(rows.length, (s) => rows[s], () => 12, {name: 'reference', value: 2}).moved"
    rows = np.ones((5, 12))
    for step, leader in enumerate([3, 3, None, 8, 8]):
        rows[step, 3 if leader is None else leader] += 0 if leader is None else 9
    assert run("sinks", track, rows.tolist()) == [3]


def test_a_difference_is_the_first_lane_less_the_second(run):
    trace = make_trace(**SMALL, kinds=("dlm", "dlm"))
    trace["lanes"][1]["frames"] = trace["lanes"][1]["frames"][:4]
    function = """async (m, t) => {
      const [{ readRun }, { makeScenes }, { makeAxis }] = await Promise.all(
        ["trace", "scenes", "axis"].map((n) => import(`/player/${n}.js`)));
      const run = readRun(t);
      const scenes = makeScenes(run, {scope: {layer: null, head: null}, rule: {name: "reference", value: 2}, palette: "viridis",
        theme: {}, axis: makeAxis("steps", run), against: 1});
      const signed = m.makeDifference(scenes);
      return [signed.lane.frames.length, [...signed.massAt(2)], signed.top, m.mostChanged(signed.massAt(2)), m.differenceWords(signed, 2)];
    }"""
    steps, values, top, changed, words = run("difference", function, trace)
    shares = [np.frombuffer(base64.b64decode(lane["frames"][2]["share"]), "<u2") / 65535 for lane in trace["lanes"]]
    expected = (shares[0] - shares[1]) * len(shares[0])
    assert steps == 4
    assert values == pytest.approx(expected, abs=1e-3)
    assert top >= np.abs(expected).max()
    assert changed == {"lost": expected.argmax(), "gained": expected.argmin()}
    assert words.startswith("Step 3: most of all, ")
    assert f"(position {expected.argmin()}) gains" in words
    assert "of 4 steps" in words


def test_the_signed_scale_fits_what_it_shows(run):
    assert run("colour", "(m) => [0, 0.3, 1, 1.5, 4, 9].map(m.signedTop)") == [1, 1, 1, 2, 4, 16]


def test_signed_colours_are_clear_at_zero_and_mirror_each_other(run):
    levels = run("colour", "(m) => [-9, -4, -1, 0, 1, 4, 9].map((value) => m.signedLevel(value, 4))")
    assert levels[0] == levels[1] == 0
    assert levels[-1] == levels[-2] == 255
    assert levels[2] + levels[4] in (255, 256)
    assert levels == sorted(levels)
    table = np.array(run("colour", "(m) => [...m.signedTable()]"), np.uint32)
    alpha = (table >> 24).astype(int)
    assert (alpha == alpha[::-1]).all()
    assert (np.diff(alpha[128:]) >= 0).all()
    assert (alpha[127], alpha[0]) == (1, 255)  # clear in the middle
    assert len(set(table[:127] & 0xFFFFFF)) == len(set(table[129:] & 0xFFFFFF)) == 1


def test_heads_arrive_as_they_were_recorded(run):
    trace = make_trace(**SMALL)
    recent = RecentRuns(10**9)
    light = recent.light(trace)
    answers = {
        f"{lane}/{start}": recent.heads({"run": trace["run"], "lane": lane, "from": start, "to": 99})
        for lane in (0, 1)
        for start in range(len(trace["lanes"][lane]["frames"]))
    }
    function = """async (m, [light, answers]) => {
      const { readRun, headsOf, massOf, needsHeads } = await import('/player/trace.js');
      const run = readRun(light);
      const asked = [];
      const answer = async (q) => { asked.push([q.lane, q.from, q.to]); return answers[`${q.lane}/${q.from}`]; };
      const source = new m.HeadsSource(answer, () => {});
      const empty = headsOf(run.lanes[0].frames[0]);
      const needs = [{layer: 1, head: null}, {layer: null, head: 0}].map((scope) => needsHeads(run, scope));
      await source.loadAll(run.lanes.flatMap((lane, laneIndex) => lane.frames.map((_, step) => ({run, laneIndex, step}))));
      const layer = [...massOf(run, run.lanes[0], 2, {layer: 1, head: null})];
      return [empty, needs, asked, run.lanes.map((lane) => lane.frames.map((frame) => [...headsOf(frame)])), layer];
    }"""
    empty, needs, asked, heads, layer = run("heads_source", function, [light, answers])
    assert (empty, needs) == (None, [False, True])
    assert asked == [[0, 0, 6], [1, 0, 16], [1, 16, 22]]
    for lane, found in zip(trace["lanes"], heads, strict=True):
        assert found == [list(base64.b64decode(frame["heads"])) for frame in lane["frames"]]
    whole = run(
        "trace", "(m, t) => { const r = m.readRun(t); return [...m.massOf(r, r.lanes[0], 2, {layer: 1, head: null})]; }", trace
    )  # fmt: skip
    assert layer == pytest.approx(whole, abs=1e-3)


def test_heads_that_cannot_be_had_are_said_once(run):
    function = """async (m, light) => {
      const run = (await import('/player/trace.js')).readRun(light);
      let asked = 0;
      const source = new m.HeadsSource(async () => { asked++; return {error: "run again"}; }, () => {});
      for (const step of [0, 1, 2]) { source.want([{run, laneIndex: 0, step}]); await new Promise((done) => setTimeout(done, 5)); }
      return [asked, source.error];
    }"""
    assert run("heads_source", function, RecentRuns(10**9).light(make_trace(**SMALL))) == [1, "No heads: run again"]


def test_a_link_gives_back_the_scene(run):
    function = """(m) => {
      const scene = {step: 4, layer: 0, head: null, focus: 17, view: "map", marks: "paper:2.5", palette: "cividis", clock: "time"};
      const link = m.lookLink("https://a.example/x", "?preset=fox&prompt=a%26b", scene);
      const search = new URL(link).search;
      const read = m.checkLook(m.lookFrom(search, "?preset=fox&prompt=a%26b"), {layers: 3, heads: 2});
      return [link, read, m.lookFrom(search, "?preset=moon"), m.lookFrom(search, null)];
    }"""
    link, scene, other, none = run("look", function)
    assert link.startswith("https://a.example/x?preset=fox&prompt=a%26b&step=5&layer=1&focus=17&")
    rule = {"name": "paper", "value": 2.5}
    assert scene == {
        "step": 4, "layer": 0, "head": None, "focus": 17, "rule": rule, "view": "map", "palette": "cividis", "clock": "time",
    }  # fmt: skip
    assert other is none is None


def test_a_scene_is_that_of_its_model_where_the_address_names_one(run):
    function = """(m, model) => m.lookFrom(`?${model}prompt=a&step=5`, "?model=bundled&prompt=a")?.step ?? null"""
    steps = [run("look", function, model) for model in ("model=bundled&", "", "model=llada-1.5&", "model=&")]
    assert steps == [4, 4, None, None]


def test_a_scene_that_makes_no_sense_is_left_out(run):
    raw = {
        "step": "-3",
        "layer": "9",
        "head": "1.5",
        "focus": "x",
        "marks": "paper:900",
        "view": "<b>",
        "palette": 3,
        "clock": None,
    }
    nothing = {"step": None, "layer": None, "head": None, "focus": None}
    for value in (raw, {}, {"marks": "__proto__:1"}):
        assert run("look", "(m, raw) => m.checkLook(raw, {layers: 3, heads: 2})", value) == nothing
