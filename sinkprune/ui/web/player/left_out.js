// What an intervention or a sparse cache left out of a step: columns that got no attention, keys that were dropped, heads that gave nothing.
// A left-out position has share 0 in the trace; here it is drawn as a hole in the river and as a struck chip, never as "little attention".

import { decodeBytes } from "./trace.js";

const SHOWN = 0.05; // share of layers or heads from which a chip is marked

// Per position the share of layers that dropped it, or of heads that did not see it, at a step; null where nothing was left out.
export function leftOut({ run, lane }, step) {
  const frame = lane.frames[step];
  if (frame.leftOut !== undefined) return frame.leftOut;
  const { layers, heads } = run.model;
  const { kept, covered } = frame.changes;
  frame.leftOut = kept ? shares(kept, layers, lane.length, frame.visible, 0) : covered ? shares(covered, layers * heads, lane.length, frame.visible, 1) : null;
  return frame.leftOut;
}

// Per position the share of the rows (count, length) of bits that are `counted`; bits: eight a byte, the first one highest.
function shares(packed, count, length, visible, counted) {
  const bytes = decodeBytes(packed);
  const found = new Float32Array(length);
  for (let row = 0, at = 0; row < count; row++) {
    for (let position = 0; position < length; position++, at++) {
      const bit = (bytes[at >> 3] >> (7 - (at & 7))) & 1;
      if (position < visible && bit === counted) found[position] += 1 / count;
    }
  }
  return found.some((share) => share > 0) ? found : null;
}

// Holes in the river: the page's ground shows through, the more layers or heads left the position out.
export function drawLeftOut(context, river, scene) {
  const { lane, rows, theme } = scene;
  context.save();
  context.fillStyle = theme.surface;
  lane.frames.forEach((frame, step) => {
    const away = leftOut(scene, step);
    if (!away) return;
    const [x, next] = [river.columnX(step, scene), river.columnX(step + 1, scene)];
    away.forEach((share, position) => {
      if (!share || (rows.fold != null && position > rows.fold)) return;
      const y = river.top(position, scene);
      context.globalAlpha = Math.min(1, 0.35 + share);
      context.fillRect(x, y, next - x, river.top(position + 1, scene) - y);
    });
  });
  context.restore();
}

export function leavesOut({ lane }) {
  return lane.frames.some(({ changes }) => changes.kept || changes.covered);
}

export function markLeftOut(chips, scene, step) {
  const away = leftOut(scene, step);
  chips.forEach((chip, position) => chip.classList.toggle("sp-left-out", Boolean(away) && away[position] >= SHOWN));
}

// What is said of a token, "" where it was not left out.
export function leftOutWords(scene, step, position) {
  const share = leftOut(scene, step)?.[position];
  if (!share) return "";
  const { layers, heads } = scene.run.model;
  const { kept } = scene.lane.frames[step].changes;
  return kept ? `left out in ${Math.round(share * layers)} of ${layers} layers` : `covered in ${Math.round(share * layers * heads)} of ${layers * heads} heads`;
}

// Whether a head gave nothing because it was left out in this step.
export function headLeftOut({ run, lane }, step, { layer, head }) {
  const { heads } = lane.frames[step].changes;
  if (!heads) return false;
  const at = layer * run.model.heads + head;
  return Boolean((decodeBytes(heads)[at >> 3] >> (7 - (at & 7))) & 1);
}
