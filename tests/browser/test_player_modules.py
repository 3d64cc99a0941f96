"""The player's modules without a page: each test runs one function of JavaScript in Chromium against numbers made in Python."""

from __future__ import annotations

import numpy as np
import pytest
from player_traces import make_trace

from sinkprune.sinks import centroid, reference_sink_set, sink_set

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def masses():
    rng = np.random.default_rng(1)
    rows = rng.gamma(0.3, 1.0, (20, 40))
    return rows / rows.mean(1, keepdims=True)


@pytest.mark.parametrize(("name", "value"), [("paper", 0.5), ("paper", 3), ("reference", 1), ("reference", 2)])
def test_sink_sets_equal_the_rules_of_the_sinks_room(run, masses, name, value):
    import torch

    found = run(
        "sinks",
        "(m, [rows, rule]) => rows.map((row) => m.sinkSet(row, row.length, rule))",
        [masses.tolist(), {"name": name, "value": value}],
    )
    tensor = torch.tensor(masses)
    expected = sink_set(tensor, value) if name == "paper" else reference_sink_set(tensor, value)
    assert [sorted(row) for row in found] == [row.nonzero().flatten().tolist() for row in expected]
    assert any(found)
    for row, mass in zip(found, masses, strict=True):
        assert row == sorted(row, key=lambda position: -mass[position])


def test_centroid_and_temporal_variance(run, masses):
    import torch

    function = """(m, rows) => {
      const track = m.trackSinks(rows.length, (step) => rows[step], (step) => rows[step].length, {name: "reference", value: 2});
      return [track.centroids, track.temporalVariance];
    }"""
    centroids, variance = run("sinks", function, masses.tolist())
    tensor = torch.tensor(masses)
    expected = centroid(tensor, reference_sink_set(tensor)).numpy()
    assert centroids == pytest.approx(expected, nan_ok=True)
    assert variance == pytest.approx(np.nanvar(expected))


def test_moves_ignore_steps_without_a_sink(run):
    assert run("sinks", "(m, v) => m.countMoves(v)", [4, 4, -1, 4, 7, -1, 4, 4]) == [0, 0, 0, 0, 1, 1, 2, 2]
    assert run("sinks", "(m, v) => m.countMoves(v)", [-1, -1]) == [0, 0]


def test_only_existing_positions_count(run):
    limit = run("sinks", "(m, v) => m.sinkThreshold(v, 3, {name: 'reference', value: 2})", [1, 1, 1, 50])
    assert limit == 1


def test_scale_is_monotonous_and_keeps_sinks_and_background_apart(run):
    levels = run("colour", "(m, v) => v.map((mass) => m.level(mass, 64))", [0, 0.1, 0.25, 0.5, 1, 4, 16, 64, 500])
    assert levels == sorted(levels)
    assert levels[0] == levels[2] == 0
    assert levels[-2] == levels[-1] == 255
    assert levels[4] - levels[3] > 20
    assert levels[6] - levels[5] > 40
    assert run("colour", "(m) => [m.scaleTop(1), m.scaleTop(4), m.scaleTop(9), m.scaleTop(70)]") == [4, 4, 16, 128]


@pytest.mark.parametrize("name", ["viridis", "cividis"])
def test_colour_tables_grow_lighter(run, name):
    table = np.array(run("colour", "(m, name) => [...m.colourTable(name)]", name), np.uint32)
    red, green, blue = (table >> shift & 255 for shift in (0, 8, 16))
    light = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    assert (np.diff(light) >= -0.5).all()
    assert light[-1] - light[0] > 150


def test_clock_plays_stops_and_loops(run):
    function = """(m) => {
      const clock = new m.Clock(); const seen = [];
      clock.setLast(3); clock.speed = 10; clock.play();
      for (let i = 0; i < 40 && clock.playing; i++) { clock.advance(0.04); seen.push(clock.step); }
      const stopped = [clock.playing, clock.step];
      clock.play();
      const again = clock.step;
      clock.loop = true;
      for (let i = 0; i < 8; i++) clock.advance(0.05);
      const end = clock.step;
      for (let i = 0; i < 20; i++) clock.advance(0.1);
      clock.pause(); clock.seek(99);
      return [seen, stopped, again, end, Number.isInteger(clock.position), clock.step];
    }"""
    seen, stopped, again, end, whole, last = run("clock", function)
    assert seen == sorted(seen)
    assert set(seen) == {0, 1, 2, 3}
    assert (stopped, again, end, whole, last) == ([False, 3], 0, 3, True, 3)


def test_a_hidden_tab_does_not_make_the_clock_jump(run):
    assert (
        run("clock", "(m) => { const c = new m.Clock(); c.setLast(50); c.play(); c.advance(30); return c.step; }") <= 1
    )


def test_hover_shows_and_click_locks(run):
    function = """(m) => {
      const log = []; const focus = new m.Focus(() => log.push(focus.current));
      focus.hover(3); focus.lock(5); focus.hover(null); focus.hover(7); focus.hover(7); focus.hover(null); focus.lock(5);
      focus.move(1, 10, 4); focus.move(1, 10, 4); focus.move(-1, 10, 4); focus.clear();
      return log;
    }"""
    assert run("focus", function) == [3, 3, 5, 7, 5, None, 4, 5, 4, None]


def test_parting_is_the_first_difference(run):
    trace = make_trace(length=46, steps=4, layers=1, heads=1, block=16, kinds=("dlm", "dlm"))
    same = {**trace, "lanes": [trace["lanes"][0], trace["lanes"][0]]}
    function = "(m, t) => import('/player/trace.js').then((r) => m.findParting(r.readRun(t).lanes))"
    assert run("parting", function, same) is None
    found = run("parting", function, trace)
    canvases = []
    for lane in trace["lanes"]:
        canvas, states = {}, []
        for frame in lane["frames"]:
            canvas.update({entry[0]: entry[1] for entry in frame["committed"]})
            states.append(dict(canvas))
        canvases.append(states)
    step = next(s for s in range(4) if canvases[0][s] != canvases[1][s])
    a, b = canvases[0][step], canvases[1][step]
    assert found == {"step": step, "position": min(p for p in a.keys() | b.keys() if a.get(p) != b.get(p))}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (" the", " the"),
        ("\n", "↵\n"),
        ("  ", "␣␣"),
        ("\t", "⇥"),
        ("<|im_end|>", "∎"),
        ("<|im_start|>", "im_start"),
        ("", "∅"),
    ],
)
def test_chip_texts(run, text, shown):
    assert run("words", "(m, t) => m.chipText(t)", text) == shown


def test_an_end_token_at_position_0_is_a_begin_mark(run):
    shown = run("words", "(m, t) => [m.chipText(t, {first: true}), m.quoted(t, true), m.quoted(t)]", "<|endoftext|>")
    assert shown == ["begin", "the begin mark", "the end mark"]
    assert run("words", "(m, t) => m.chipText(t, {first: true})", "Why") == "Why"
    assert run("words", "(m, t) => m.quoted(t)", "<|im_start|>") == "the im_start mark"


def test_verdict_says_what_the_forward_read(run):
    trace = make_trace(length=46, steps=4, layers=1, heads=1, block=16, kinds=("dlm",))
    position = trace["lanes"][0]["frames"][2]["committed"][0][0]
    function = """(m, [t, position]) => import('/player/trace.js').then((r) => [1, 2, 3].map((step) => m.verdict({
      lane: r.readRun(t).lanes[0], step, total: 4, leading: position, share: 0.091, isSink: step > 1, moves: step - 1,
      scope: {layer: null, head: null}})))"""
    before, at, after = run("words", function, [trace, position])
    assert before.startswith(
        f"Step 2 of 4: no token is a sink by this rule; a mask (position {position}) leads with 9.1 %"
    )
    assert "a mask, now “" in at
    assert at.endswith("takes 9.1 % of all attention; the strongest sink has moved once")
    assert "a mask" not in after
    assert after.endswith("moved twice")


def test_maps_are_asked_for_once_and_the_most_urgent_first(run):
    trace = make_trace(length=46, steps=4, layers=2, heads=2, block=16, kinds=("dlm",))
    function = """async (m, t) => {
      const run = (await import('/player/trace.js')).readRun(t);
      const asked = [];
      const answer = async (question) => {
        asked.push([question.layer, question.ids.filter((id) => id === 3).length]);
        if (question.layer === 1) throw new Error("gone");
        return {map: btoa("\\0".repeat(46 * 46))};
      };
      const request = (step, layer) => ({run, laneIndex: 0, step, scope: {layer, head: null}});
      const source = new m.MapSource(answer, () => {});
      source.want([request(0, null), request(1, null)]);
      source.want([request(3, null), request(0, null), request(2, 1)]);
      await new Promise((done) => setTimeout(done, 30));
      source.want([request(0, null), request(3, null)]);
      await new Promise((done) => setTimeout(done, 30));
      return [asked, source.get(request(3, null)).n, source.get(request(2, 1)).error, source.get(request(1, null)) === undefined];
    }"""
    asked, n, error, forgotten = run("map_source", function, trace)
    assert asked == [[None, 32], [None, 8], [1, 16]]
    assert (n, forgotten) == (46, True)
    assert error == "This map could not be computed: gone"


def test_chips_differ_only_where_both_lanes_have_written(run):
    trace = make_trace(length=46, steps=4, layers=1, heads=1, block=16, kinds=("dlm", "dlm"))
    first, second = (lane["frames"][3]["committed"] for lane in trace["lanes"])
    for entry in second:
        entry[1] += 1000
    function = """(m, t) => import('/player/trace.js').then((r) => {
      const { lanes } = r.readRun(t);
      return [2, 3].map((step) => Array.from({length: 46}, (_, position) => m.chipDifference(lanes, position, step)));
    })"""
    before, after = run("parting", function, trace)
    assert set(before[:14]) == {""}
    assert "changed" not in before
    assert "same" in before
    changed = {position for position, text in enumerate(after) if text == "changed"}
    assert changed == {entry[0] for entry in second}
    assert {entry[0] for entry in first} <= {position for position, text in enumerate(after) if text}
