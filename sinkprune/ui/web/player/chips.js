// The whole canvas as text: one chip per token. Only chips whose look changed are touched; texts are set as text, never as HTML.
// While end marks are folded, the chip of the first of them stands for all.

import { make } from "../shared/dom.js";
import { chipDifference } from "./parting.js";
import { endMarks } from "./rows.js";
import { tokenState } from "./trace.js";
import { chipText, isSpecial, startOfAnswer } from "./words.js";

export class Chips {
  constructor(container) {
    this.container = container;
    [this.prompt, this.words] = container.children;
    this.chips = [];
  }

  positionOf(target) {
    const chip = target.closest?.(".sp-chip");
    return chip && this.container.contains(chip) ? Number(chip.dataset.position) : null;
  }

  // Fresh chips for a lane of a new run.
  build(lane) {
    this.looks = new Array(lane.length).fill("");
    this.chips = Array.from({ length: lane.length }, (_, position) => {
      const chip = make("span", "", "sp-chip");
      chip.dataset.position = position;
      return chip;
    });
    this.focused = null;
    this.step = null;
    this.prompt.replaceChildren(...this.chips.slice(0, lane.promptLength));
    this.words.replaceChildren(...this.chips.slice(lane.promptLength));
  }

  showStep(scene, step) {
    const { lane, rows } = scene;
    const shown = rows.fold ?? lane.length;
    for (let position = 0; position < lane.length; position++) {
      const look = position > shown ? { away: true } : position === rows.fold ? foldedLook(scene, step) : lookOf(scene, position, step);
      const key = Object.values(look).join("/");
      if (key === this.looks[position]) continue;
      this.looks[position] = key;
      dress(this.chips[position], look);
    }
    if (this.step !== step) this.follow(scene, step);
    this.step = step;
  }

  // The words stay a few lines high: they scroll to what is written now, the prompt to the strongest sink.
  follow({ lane, rows, track }, step) {
    const newest = lane.frames[step].committed.find((position) => position < (rows.fold ?? lane.length));
    if (newest != null) revealLine(this.words, this.chips[newest]);
    const leader = track.leaders[step];
    if (leader >= 0 && leader < lane.promptLength) revealAcross(this.prompt, this.chips[leader]);
  }

  // rows: those of the scene
  showFocus(position, rows) {
    const shown = position != null && rows.fold != null ? Math.min(position, rows.fold) : position;
    if (this.focused === shown) return;
    if (this.focused != null) this.chips[this.focused]?.classList.remove("sp-focused");
    if (shown != null) this.chips[shown]?.classList.add("sp-focused");
    this.focused = shown;
  }
}

function lookOf({ lane, track, comparison, pair }, position, step) {
  const state = tokenState(lane, position, step);
  const sinks = track.sinks[step];
  const sink = sinks[0] === position ? "leader" : sinks.includes(position) ? "sink" : "";
  const difference = comparison ? chipDifference(pair, position, step) : "";
  const sure = state === "masked" ? lane.frames[step].confidence[position] / 254 : lane.certainty[position];
  const fill = state === "prompt" || sure > 1 ? 0 : Math.round(20 * (sure || 0)) * 5;
  const away = state === "absent" && lane.done && lane.ids[position] < 0; // the lane ended before it came here
  const text = lane.texts[position];
  const oneLine = { oneLine: true, first: position === 0 };
  const hidden = state === "masked" || state === "absent";
  // A mask keeps the width of the word it will become, so that the text does not jump.
  const ghost = hidden ? (text === "" ? "mask" : chipText(text, oneLine)) : "";
  const shown = hidden ? "" : position === startOfAnswer(lane) ? "start" : chipText(text, { ...oneLine, oneLine: state === "prompt" });
  return { state, sink, difference, fill, away, shown, ghost, special: text !== "" && isSpecial(text) };
}

// The end marks that are written by this step, as one chip with their count.
function foldedLook(scene, step) {
  const { lane, rows: { fold }, track } = scene;
  const positions = Array.from({ length: lane.length - fold }, (_, index) => fold + index);
  const written = positions.filter((position) => lane.ids[position] >= 0 && lane.born[position] <= step);
  const newest = written.some((position) => lane.born[position] === step);
  const state = !written.length ? (lane.kind === "ar" ? "absent" : "masked") : newest ? "revealed" : "settled";
  const sink = positions.includes(track.leaders[step]) ? "leader" : track.sinks[step].some((position) => position >= fold) ? "sink" : "";
  const text = (number) => (number > 1 ? `∎ × ${number}` : "∎");
  return { state, sink, difference: "", fill: 0, away: false, shown: written.length ? text(written.length) : "", ghost: text(endMarks(lane, fold)), special: true };
}

function dress(chip, { state, sink, difference, fill, away, shown, ghost, special }) {
  chip.hidden = away;
  if (away) return;
  if (chip.textContent !== shown) chip.textContent = shown;
  if (ghost && !shown) chip.dataset.ghost = ghost;
  else delete chip.dataset.ghost;
  Object.assign(chip.dataset, { state, sink, difference });
  chip.classList.toggle("sp-special", special);
  chip.style.setProperty("--sp-sure", fill / 100);
}

// Scroll a box, and nothing around it, so that a part of it is seen: down by whole lines, across with the part in the middle.
function revealLine(box, part) {
  const line = parseFloat(getComputedStyle(box).lineHeight);
  const at = Math.floor((part.offsetTop - box.offsetTop) / line);
  const first = Math.round(box.scrollTop / line);
  const room = Math.floor(box.clientHeight / line);
  if (at < first) box.scrollTop = at * line;
  else if (at >= first + room) box.scrollTop = (at - room + 1) * line;
}

function revealAcross(box, part) {
  const from = part.offsetLeft - box.offsetLeft;
  if (from < box.scrollLeft || from + part.offsetWidth > box.scrollLeft + box.clientWidth) box.scrollLeft = from - box.clientWidth / 2;
}
