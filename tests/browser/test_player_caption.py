"""The caption of a step, made by rules from the trace, and the rows that end marks are folded into."""

from __future__ import annotations

import pytest
from player_traces import END, make_trace

pytestmark = pytest.mark.browser

# A lane of four prompt positions; frames: what each step commits, as [position, text]; leaders: the strongest sink of each step.
CAPTION = """async (m, {lanes, scope, step}) => {
  const scenes = lanes.map(({frames, leaders, kind, title, done, prompt}) => {
    const lane = {kind: kind ?? "dlm", title, done: done ?? false, promptLength: 4, length: 12,
      texts: [...(prompt ?? ["Why", " is", " it", "<|im_start|>"]), ...Array(8).fill("")],
      ids: new Int32Array(12).fill(-1), born: new Int32Array(12).fill(1e9), frames: []};
    lane.ids.fill(1, 0, 4);
    lane.born.fill(-1, 0, 4);
    frames.forEach(({block, committed}, at) => {
      for (const [position, text] of committed) { lane.texts[position] = text; lane.born[position] = at; lane.ids[position] = 9; }
      lane.frames.push({block: block ?? 0, committed: committed.map(([position]) => position)});
    });
    const moves = leaders.map((leader, at) => leaders.slice(1, at + 1).filter((one, i) => one !== leaders[i]).length);
    return {lane, track: {leaders, moves}, scope: scope ?? {layer: null, head: null}};
  });
  return m.captionOf(scenes, () => step);
}"""


def lane(*frames: list, leaders: list[int], **more: object) -> dict:
    return {"frames": [{"committed": committed} for committed in frames], "leaders": leaders, **more}


def test_the_lead_jumps_to_a_full_stop_just_written(run):
    written = lane([[6, " sky"]], [[7, "."]], [[4, "The"]], [[5, " big"]], leaders=[3, 3, 7, 7])
    captions = [run("caption", CAPTION, {"lanes": [written], "step": step}) for step in range(4)]
    assert captions == [
        "Most attention goes to the start-of-answer mark. “sky” is written ahead of words that are still masked.",
        "The start-of-answer mark keeps the most attention. “.” is written ahead of words that are still masked.",
        "The lead jumps to a full stop (just written). “The” is written.",
        "A full stop (written 2 steps ago) keeps the most attention. “big” is written.",
    ]


def test_tokens_at_once_full_blocks_and_places(run):
    written = lane([[4, "a"], [5, " b"], [6, " c"], [7, " d"]], [[8, " e"]], [[9, END]], leaders=[-1, 5, 5])
    written["frames"][1]["block"] = 1
    written["frames"][2]["block"] = 1
    scope = {"layer": 4, "head": None}
    first, second = (run("caption", CAPTION, {"lanes": [written], "scope": scope, "step": step}) for step in (0, 1))
    assert first == (
        "In layer 5 no token stands out. Four tokens are written at once: “a”, “b”, “c”, “d”. The block is full."
    )
    assert second == "In layer 5 most attention goes to “b” (just written). “e” is written."
    last = run("caption", CAPTION, {"lanes": [written], "step": 2})
    assert last.endswith("The end mark is written.")


def test_the_end_says_how_often_the_lead_moved_in_each_lane(run):
    diffusion = lane([[4, "a"], [5, " b"]], [[6, " c"], [7, END]], leaders=[3, 4], done=True)
    causal = lane([[4, "a"]], [[5, " b"]], leaders=[0, 0], kind="ar", title="Autoregressive", done=True)
    said = run("caption", CAPTION, {"lanes": [diffusion, causal], "step": 1})
    assert said == (
        "The text is finished: 3 tokens in 2 model runs. The strongest sink moved once, in the lane “Autoregressive” never."
    )


def test_end_marks_at_the_end_share_a_row_that_shows_the_largest_value(run):
    trace = make_trace(length=110, steps=8, layers=1, heads=1, block=32, kinds=("dlm",))
    function = """(m, t) => import('/player/trace.js').then(({readRun}) => {
      const lane = readRun(t).lanes[0];
      const [open] = m.makeRows([lane], false);
      const [rows] = m.makeRows([lane], true);
      const values = Float32Array.from({length: lane.length}, (_, i) => (i === lane.length - 2 ? 9 : i === 2 ? -3 : 1));
      return [lane.length, open, rows, m.endMarks(lane, rows.fold), m.rowOf(lane.length - 1, rows), m.rowOf(2, rows),
              [...m.rowValues(values, rows, 0, lane.length)], [...m.rowValues(values, rows, 0, 20)].length,
              m.endMarksFrom({...lane, done: false})];
    })"""
    length, opened, rows, marks, last, second, values, visible, unfinished = run("rows", function, trace)
    texts = sorted((entry[0], entry[2]) for frame in trace["lanes"][0]["frames"] for entry in frame["committed"])
    fold = next(position for position, text in texts if text == END)
    assert opened == {"count": length, "fold": None}
    assert rows == {"count": fold + 1, "fold": fold}
    assert (marks, last, second, visible, unfinished) == (length - fold, fold, 2, 20, None)
    assert values == [-3 if i == 2 else 1 for i in range(fold)] + [9]
