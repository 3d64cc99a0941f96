// The token axis that all views of a run share: one row per position. The end marks that fill the rest of a canvas are one row
// while they are folded; that row shows the largest of their values.

import { isEnd } from "../shared/tokens.js";

// The first of the end marks that fill a finished lane to its end; null where fewer than two do. Places that an autoregressive lane
// never came to count as filled.
export function endMarksFrom(lane) {
  if (!lane.done) return null;
  let first = lane.length;
  while (first > lane.promptLength && (isEnd(lane.texts[first - 1]) || lane.ids[first - 1] < 0)) first--;
  return lane.length - first > 1 && lane.ids[first] >= 0 ? first : null;
}

// How many end marks stand from `fold` on.
export function endMarks({ ids, length }, fold) {
  let marks = 0;
  for (let position = fold; position < length; position++) if (ids[position] >= 0) marks++;
  return marks;
}

// One {count, fold} per lane, all with the same count, so that lanes can be compared row by row. fold: the position whose row stands for all after it, or null.
export function makeRows(lanes, folded) {
  const folds = lanes.map((lane) => (folded ? endMarksFrom(lane) : null));
  const count = Math.max(...lanes.map((lane, index) => (folds[index] == null ? lane.length : folds[index] + 1)));
  return folds.map((fold) => ({ count, fold }));
}

// The row of a position.
export function rowOf(position, { fold }) {
  return fold == null ? position : Math.min(position, fold);
}

// `size` values from `start` on as values of rows, positions beyond the fold as the largest of them.
export function rowValues(values, rows, start, size) {
  const { fold } = rows;
  if (fold == null || size <= fold + 1) return values.subarray(start, start + size);
  const folded = values.slice(start, start + fold + 1);
  for (let at = start + fold + 1; at < start + size; at++) if (Math.abs(values[at]) > Math.abs(folded[fold])) folded[fold] = values[at];
  return folded;
}
