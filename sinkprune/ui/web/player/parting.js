// Two lanes that write from the same canvas: where do they part, and which tokens differ?

export function isComparison(run) {
  return run.lanes.length === 2 && run.lanes.every((lane) => lane.kind === "dlm");
}

// The first step after which the canvases differ, and the first position where they do; null while they are equal.
export function findParting(lanes) {
  const [a, b] = lanes;
  const steps = Math.min(a.frames.length, b.frames.length);
  let found = null;
  for (let position = a.promptLength; position < Math.min(a.length, b.length); position++) {
    const step = Math.min(a.born[position], b.born[position]);
    const same = a.born[position] === b.born[position] && a.ids[position] === b.ids[position];
    if (!same && step < steps && (!found || step < found.step)) found = { step, position };
  }
  return found;
}

// "same" | "changed" once both lanes have written the position by `step`, else "".
export function chipDifference(lanes, position, step) {
  const [a, b] = lanes;
  if (a.born[position] < 0 || a.born[position] > step || b.born[position] > step) return "";
  return a.ids[position] === b.ids[position] ? "same" : "changed";
}
