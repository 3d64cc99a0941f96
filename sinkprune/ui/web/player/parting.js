// Lanes of one kind that write from the same canvas: where do they part from the first one, and which tokens differ?

import { historyOf, laneAt } from "./trace.js";

export function isComparison({ lanes }) {
  return lanes.length > 1 && lanes.every((lane) => lane.kind === lanes[0].kind);
}

// The first step after which the canvases of two lanes differ, and the first position where they do; null while they are equal.
export function findParting([a, b]) {
  const steps = Math.min(a.frames.length, b.frames.length);
  let found = null;
  for (let position = a.promptLength; position < Math.min(a.length, b.length); position++) {
    const step = partsAt(historyOf(a, position), historyOf(b, position));
    if (step < steps && (!found || step < found.step)) found = { step, position };
  }
  return found;
}

// The step of the first event that only one of two histories has; Infinity where they are equal.
function partsAt(first, second) {
  for (let at = 0; at < Math.max(first.length, second.length); at++) {
    const [[step, id], [otherStep, otherId]] = [first[at] ?? [Infinity], second[at] ?? [Infinity]];
    if (step !== otherStep || id !== otherId) return Math.min(step, otherStep);
  }
  return Infinity;
}

// "same" | "changed" once both lanes have written the position by `step`, else "".
export function chipDifference(lanes, position, step) {
  const [a, b] = lanes.map((lane) => laneAt(lane, step));
  if (a.born[position] < 0 || a.born[position] > step || b.born[position] > step) return "";
  return a.ids[position] === b.ids[position] ? "same" : "changed";
}
