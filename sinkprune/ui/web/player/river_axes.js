// The labels around a river: positions, prompt and answer, steps or seconds, and where a lane is done.

import { PAD, label, tickStep } from "./plot.js";
import { endMarks } from "./rows.js";

// Painted once per axis, because text is slow to draw.
export function drawAxes(context, river, scene) {
  const { axis, rows, theme, lane } = scene;
  const key = [axis.clock, axis.end, rows.count, rows.fold, theme.ink, theme.font, lane.kind, lane.promptLength, lane.done && lane.frames.length];
  river.base.still(context, key, (beside) => {
    drawPositions(beside, river, scene);
    drawPlaces(beside, river, scene);
    drawDone(beside, river, scene);
  });
}

function drawPositions(context, river, scene) {
  const { lane, rows, theme } = scene;
  const last = rows.fold ?? rows.count;
  const every = tickStep(rows.count, Math.max(2, river.base.plotHeight / 36));
  for (let position = 0; position <= last - (rows.fold == null ? 1 : every / 2); position += every) {
    label(context, String(position), PAD.left - 6, river.middle(position, scene), theme, { align: "right" });
  }
  if (rows.fold != null) {
    const marks = endMarks(lane, rows.fold);
    label(context, marks > 1 ? `∎×${marks}` : "∎", PAD.left - 4, river.middle(last, scene), theme, { align: "right" });
  }
  sideLabel(context, "prompt", 0, lane.promptLength, river, scene);
  sideLabel(context, "answer", lane.promptLength, lane.length, river, scene);
}

function sideLabel(context, text, from, to, river, scene) {
  const [above, below] = [river.top(from, scene), river.top(to, scene)];
  if (below - above < 34) return;
  context.save();
  context.translate(7, (above + below) / 2);
  context.rotate(-Math.PI / 2);
  label(context, text, 0, 0, scene.theme, { align: "center" });
  context.restore();
}

function drawPlaces(context, river, scene) {
  const { lane, axis, theme } = scene;
  const y = river.base.height - PAD.bottom + 13;
  const name = axis.clock === "time" ? "measured time →" : lane.kind === "ar" ? "generated token →" : "denoising step →";
  for (const [place, text] of axis.labels(Math.max(2, (river.plotWidth - 110) / 44))) {
    const x = river.placeX(place, scene);
    if (x < river.base.width - 122) label(context, text, x, y, theme, { align: "center" });
  }
  label(context, name, river.right, y, theme, { align: "right" });
}

// A lane that needs less of the clock says so.
function drawDone(context, river, scene) {
  const { lane, axis, theme } = scene;
  const x = river.columnX(lane.frames.length, scene) + 8;
  context.font = `11px ${theme.font}`;
  const fits = (text) => context.measureText(text).width <= river.base.width - x;
  const after = axis.clock === "time" ? `${lane.frames.at(-1).seconds.toFixed(1)} s` : lane.frames.length;
  const words = [`done after ${after}`, "done"].find(fits);
  if (lane.done && words) label(context, words, x, PAD.top + 8, theme);
}
