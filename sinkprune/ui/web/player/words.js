// Every sentence the player says. Token texts stay plain strings; whoever shows them sets textContent.

import { make } from "../shared/dom.js";
import { percent } from "../shared/numbers.js";
import { isEnd } from "../shared/tokens.js";
import { term } from "./terms.js";
import { laneAt, tokenState } from "./trace.js";

const SPECIAL = /^<\|?([\w-]{1,40})\|?>$/;

export function isSpecial(text) {
  return SPECIAL.test(text) || isEnd(text);
}

// What a chip shows: spaces and line breaks become visible where nothing else is, special tokens become short names.
// oneLine: line breaks are shown but not made. first: it stands at position 0, where an end token begins the text.
export function chipText(text, { oneLine = false, first = false } = {}) {
  if (isEnd(text)) return first ? "begin" : "∎";
  const special = SPECIAL.exec(text);
  if (special) return special[1];
  if (text === "") return "∅";
  if (/^[^\S\n]+$/.test(text)) return text.replace(/\t/g, "⇥").replace(/[^\S\n⇥]/g, "␣");
  return text.replace(/\n/g, oneLine ? "↵" : "↵\n").replace(/\t/g, "⇥");
}

// A token inside a sentence. first: as for a chip.
export function quoted(text, first = false) {
  if (isEnd(text)) return first ? "the begin mark" : "the end mark";
  const special = SPECIAL.exec(text);
  if (special) return `the ${special[1]} mark`;
  const shown = text.replace(/\n/g, "↵").replace(/\t/g, "⇥");
  return `“${shown.trim() === "" ? shown.replace(/\s/g, "␣") || "∅" : shown.trim()}”`;
}

export function times(count) {
  return ["never", "once", "twice"][count] ?? `${count} times`;
}

// The token that a position holds at the end, inside a sentence.
export function tokenWords(lane, position) {
  if (SPECIAL.test(lane.texts[position]) && position === startOfAnswer(lane)) return "the start-of-answer mark";
  return quoted(lane.texts[position], position === 0);
}

// The position of the mark that stands where the prompt ends and the answer begins, -1 where there is none.
export function startOfAnswer({ texts, promptLength }) {
  const last = promptLength - 1;
  return isSpecial(texts[last]) && !isEnd(texts[last]) ? last : -1;
}

// What stood at a position when the forward pass of `step` read it.
export function readAs(lane, position, step) {
  const state = tokenState(lane, position, step);
  if (state === "masked") return "a mask";
  const text = tokenWords(lane, position);
  return state === "revealed" ? `a mask, now ${text},` : text;
}

export function scopeWords(scope) {
  if (scope.layer == null && scope.head == null) return "all attention";
  if (scope.layer == null) return `attention in head ${scope.head + 1} of all layers`;
  if (scope.head == null) return `attention in layer ${scope.layer + 1}`;
  return `attention in layer ${scope.layer + 1}, head ${scope.head + 1}`;
}

// leading: position; share: its share of the attention; isSink: by the chosen rule; total: steps, or null while they are not known
export function verdict({ lane, step, total, leading, share, isSink, moves, scope }) {
  const when = total == null ? `Step ${step + 1}` : `Step ${step + 1} of ${total}`;
  const what = `${readAs(lane, leading, step)} (position ${leading})`;
  if (!isSink) return `${when}: no token is a sink by this rule; ${what} leads with ${percent(share)} of ${scopeWords(scope)}`;
  const moved = moves ? `the strongest sink has moved ${times(moves)}` : "the strongest sink has not moved";
  return `${when}: ${what} takes ${percent(share)} of ${scopeWords(scope)}; ${moved}`;
}

// value: the length of the value vector, see `valuesOf`
export function readout({ lane, position, step, mass, visible, value }) {
  if (position >= visible) return [`position ${position}`, "not written yet"];
  const state = tokenState(lane, position, step);
  const parts = [
    `position ${position}`,
    `${percent(mass / visible)} of attention`,
    `${mass >= 10 ? mass.toFixed(0) : mass.toFixed(1)} × mean`,
  ];
  if (value > 0) parts.push(`value vector ${value.toFixed(2)} × median`);
  if (position === startOfAnswer(lane)) parts.push("stands where the prompt ends and the answer begins");
  else if (state === "prompt") parts.push("prompt");
  else if (state === "masked") parts.push(maskWords(lane.frames[step].confidence[position]));
  else if (wasPut(lane, position)) parts.push(`put there after step ${lane.born[position] + 1}`);
  else parts.push(`written at step ${lane.born[position] + 1}, ${sureWords(lane.certainty[position])}`);
  return parts;
}

// Whether somebody put there what stands at a position.
function wasPut({ replaced }, position) {
  return replaced.findLast((entry) => entry.position === position)?.put >= 0;
}

function sureWords(certainty) {
  return Number.isNaN(certainty) ? "because the answer had ended" : `${percent(certainty)} sure`;
}

function maskWords(confidence) {
  return confidence === 255 ? "still masked" : `masked, best guess ${percent(confidence / 254)} sure`;
}

export function tokenName(lane, position, step) {
  const state = tokenState(lane, position, step);
  if (state === "absent") return "no token"; // an autoregressive lane has no masks
  if (state === "masked") return "mask";
  return tokenWords(lane, position);
}

// As elements: what this lane took up to the step, terms explained.
export function laneStats(lane, step, track) {
  const frame = lane.frames[step];
  const parts = [term(`${frame.nfe} model run${frame.nfe === 1 ? "" : "s"}`, "run"), make("span", `${frame.seconds.toFixed(1)} s`)];
  if (!Number.isNaN(track.temporalVariance)) parts.push(term(`temporal variance ${track.temporalVariance.toFixed(2)}`, "variance"));
  return parts;
}

export function hint() {
  const touch = matchMedia("(hover: none)").matches;
  return touch
    ? "Tap a word to follow it. Tap or drag in the picture to go to a step."
    : "Point at a word to follow it, click to keep it. Press or drag in the picture to go to a step.";
}

export function partingWords(lanes, parting) {
  const shown = lanes.map((lane) => tokenName(laneAt(lane, parting.step), parting.position, parting.step));
  return `First difference in time: step ${parting.step + 1}, position ${parting.position}: ${shown[0]} | ${shown[1]}`;
}
