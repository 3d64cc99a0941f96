"""How the player reads a trace, without a page: `trace.js` in Chromium against numbers made in Python."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from player_traces import make_trace

pytestmark = pytest.mark.browser


def test_bytes_and_shares_decode_exactly(run):
    values = np.array([0, 1, 255, 256, 40000, 65535], "<u2")
    text = base64.b64encode(values.tobytes()).decode()
    assert run("trace", "(m, t) => [...m.decodeBytes(t)]", text) == list(values.tobytes())
    assert run("trace", "(m, t) => [...m.decodeShares(t)]", text) == pytest.approx(values / 65535, abs=1e-7)


def test_means_leave_out_heads_that_were_removed(run):
    """Two layers of two heads on three positions; layer 0 has lost its second head."""
    shares = np.array([[[0.25, 0.25, 0.5], [0, 0, 0]], [[1, 0, 0], [0, 0.25, 0.75]]])
    heads = base64.b64encode(np.round(255 * np.sqrt(shares)).astype(np.uint8).tobytes()).decode()
    function = """(m, [heads, layer, head]) => {
      const frame = {packedHeads: heads, visible: 3};
      return [...m.massOf({model: {layers: 2, heads: 2}}, {length: 3, frames: [frame]}, 0, {layer, head})];
    }"""
    for (layer, head), expected in (
        ((0, None), shares[0, 0]),
        ((1, None), shares[1].mean(0)),
        ((0, 1), np.zeros(3)),
        ((None, 1), shares[1, 1]),
    ):
        assert run("trace", function, [heads, layer, head]) == pytest.approx(3 * expected, abs=0.02)


def test_a_growing_run_equals_the_finished_one(run):
    trace = make_trace(length=46, steps=6, layers=2, heads=2, block=16)
    function = """(m, trace) => {
      const part = (count) => ({...trace, lanes: trace.lanes.map((lane) => ({...lane, frames: lane.frames.slice(0, count), done: false}))});
      let grown = m.readRun(part(1));
      const first = grown.lanes[0].frames[0];
      for (const count of [2, 2, 5]) grown = m.readRun(part(count), grown);
      grown = m.readRun(trace, grown);
      const same = grown.lanes[0].frames[0] === first;
      const whole = m.readRun(trace);
      const fresh = m.readRun({...trace, run: "another"}, grown) !== grown;
      const plain = (lane) => JSON.stringify([lane.ids, lane.texts, lane.born, lane.certainty, lane.frames.length, lane.done]);
      return [same, fresh, whole.lanes.map(plain).join() === grown.lanes.map(plain).join(), grown.steps, grown.done];
    }"""
    assert run("trace", function, trace) == [True, True, True, 22, True]


def test_a_stopped_run_does_not_grow_by_what_arrives_late(run):
    trace = make_trace(length=46, steps=6, layers=2, heads=2, block=16)
    function = """(m, trace) => {
      const part = (count, done) => ({...trace, lanes: trace.lanes.map((lane) => ({...lane, frames: lane.frames.slice(0, count), done}))});
      const stopped = m.readRun(part(3, true), m.readRun(part(2, false)));
      const late = m.readRun(part(5, false), stopped);
      return [late.steps, late.done];
    }"""
    assert run("trace", function, trace) == [3, True]


def test_canvas_is_what_the_forward_read(run):
    trace = make_trace(length=46, steps=4, layers=1, heads=1, block=16)
    dlm, ar = run(
        "trace", "(m, t) => { const r = m.readRun(t); return r.lanes.map((lane) => m.canvasIds(lane, 2)); }", trace
    )
    lane = trace["lanes"][0]
    expected = lane["ids"] + [lane["maskId"]] * (lane["length"] - lane["promptLength"])
    for frame in lane["frames"][:2]:
        for position, token_id, *_ in frame["committed"]:
            expected[position] = token_id
    assert dlm == expected
    second = trace["lanes"][1]
    assert ar == second["ids"] + [frame["committed"][0][1] for frame in second["frames"][:2]]


def test_token_states(run):
    trace = make_trace(length=46, steps=4, layers=1, heads=1, block=16)
    revealed = [entry[0] for entry in trace["lanes"][0]["frames"][1]["committed"]]
    function = "(m, t) => m.readRun(t).lanes.map((lane) => Array.from({length: lane.length}, (_, p) => m.tokenState(lane, p, 1)))"
    dlm, ar = run("trace", function, trace)
    assert [p for p, state in enumerate(dlm) if state == "revealed"] == sorted(revealed)
    assert dlm[:14] == ["prompt"] * 14
    assert set(dlm) == {"prompt", "masked", "revealed", "settled"}
    assert ar[14:18] == ["settled", "revealed", "absent", "absent"]


def test_end_marks_that_no_forward_predicted_stand_from_the_last_step_on(run):
    trace = make_trace(length=46, steps=4, layers=1, heads=1, block=16, kinds=("dlm",))
    *_, last = trace["lanes"][0]["frames"]
    position, token, text, _ = last["committed"].pop()
    last["filled"] = [[position, token, text]]
    function = """(m, [t, p]) => {
      const [lane] = m.readRun(t).lanes;
      return [lane.ids[p], lane.texts[p], m.tokenState(lane, p, 2), m.tokenState(lane, p, 3), Number.isNaN(lane.certainty[p])];
    }"""
    assert run("trace", function, [trace, position]) == [token, text, "masked", "revealed", True]


def test_mass_of_a_layer_and_a_head(run):
    trace = make_trace(length=46, steps=2, layers=3, heads=4, block=16, kinds=("dlm",))
    frame = trace["lanes"][0]["frames"][1]
    heads = np.frombuffer(base64.b64decode(frame["heads"]), np.uint8).reshape(3, 4, -1)
    shares = (heads / 255.0) ** 2 * heads.shape[-1]
    function = """(m, t) => { const run = m.readRun(t); const lane = run.lanes[0];
      return [{layer: 1, head: null}, {layer: 2, head: 3}, {layer: null, head: 0}].map((scope) => [...m.massOf(run, lane, 1, scope)]); }"""
    layer, head, column = run("trace", function, trace)
    assert layer == pytest.approx(shares[1].mean(0), abs=1e-4)
    assert head == pytest.approx(shares[2, 3], abs=1e-4)
    assert column == pytest.approx(shares[:, 0].mean(0), abs=1e-4)
