// Two lanes that wrote from the same canvas, as one signed river. It shows, step by step, how much more attention each token received in
// the first lane than in the second. Says in a sentence what changed most at the step that is shown.

import { make } from "../shared/dom.js";
import { percent, signed } from "../shared/numbers.js";
import { makeAxis } from "./axis.js";
import { signedGradient, signedLevel, signedTable, signedTop, tickText } from "./colour.js";
import { River } from "./river.js";
import { quoted, readAs, scopeWords } from "./words.js";

// What the view draws from. Steps that only one lane took are left out.
export function makeDifference(scenes) {
  const [first, second] = scenes;
  const steps = Math.min(first.lane.frames.length, second.lane.frames.length);
  const lane = { ...first.lane, frames: first.lane.frames.slice(0, steps), done: false };
  const masses = Array.from({ length: steps }, (_, step) => difference(first, second, step));
  const top = signedTop(Math.max(0, ...masses.map(peak)));
  const table = signedTable();
  return {
    ...first, lane, top, second, track: null, rows: bothRows(first.rows, second.rows),
    axis: makeAxis("steps", { ...first.run, steps, done: true }),
    leads: [first.track.leaders.slice(0, steps), second.track.leaders.slice(0, steps)],
    massAt: (step) => masses[step],
    shade: (value) => table[signedLevel(value, top)],
  };
}

// Only end marks of both lanes stay folded.
function bothRows({ count, fold }, other) {
  return { count, fold: fold == null || other.fold == null ? null : Math.max(fold, other.fold) };
}

function difference(first, second, step) {
  const [a, b] = [first.massAt(step), second.massAt(step)];
  return a.map((mass, position) => mass - b[position]);
}

function peak(values) {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

// {lost, gained}: the positions whose attention fell and rose most from the first lane to the second.
export function mostChanged(values) {
  let [lost, gained] = [0, 0];
  values.forEach((value, position) => {
    if (value > values[lost]) lost = position;
    if (value < values[gained]) gained = position;
  });
  return { lost, gained };
}

export function differenceWords({ lane, second, massAt, leads, scope }, step) {
  const values = massAt(step);
  const { visible } = lane.frames[step];
  const share = (position) => percent(Math.abs(values[position]) / visible);
  const token = (where, position) => `${readAs(where, position, step).replace(/,$/, "")} (position ${position})`;
  const { lost, gained } = mostChanged(values);
  const same = leads[0].filter((leader, index) => leader === leads[1][index]).length;
  const changes = [];
  if (values[lost] > 0) changes.push(`${token(lane, lost)} loses ${share(lost)} of ${scopeWords(scope)}`);
  if (values[gained] < 0) changes.push(`${token(second.lane, gained)} gains ${share(gained)}`);
  const most = changes.length ? `most of all, ${changes.join(" and ")}` : "nothing changes";
  return `Step ${step + 1}: ${most}. The strongest sink is at the same position in ${same} of ${leads[0].length} steps.`;
}

export class DifferenceView {
  constructor(root) {
    this.root = root;
    const find = (name) => root.querySelector(`.sp-difference-${name}`);
    for (const name of ["title", "words", "gradient", "ticks", "more", "less", "readout", "with"]) this[name] = find(name);
    [this.canvas, this.overlay] = root.querySelector(".sp-river").children;
    this.river = new River(this.canvas, this.overlay);
  }

  resize() {
    this.river.resize();
  }

  drawData(scene) {
    const [first, second] = [scene.lane.title, scene.second.lane.title];
    const { lanes } = scene.run;
    this.with.hidden = lanes.length < 3;
    this.with.replaceChildren(...lanes.slice(1).map((lane, index) => new Option(lane.title, index + 1, false, index + 1 === scene.against)));
    this.title.textContent = `${first} minus ${second}`;
    this.more.textContent = `${first} gives more`;
    this.less.textContent = `${second} gives more`;
    this.canvas.setAttribute("aria-label", `${this.title.textContent}: attention received by every token over the steps`);
    this.gradient.style.background = signedGradient();
    this.ticks.replaceChildren(...[-1, -0.25, 0, 0.25, 1].map((part) => {
      const tick = make("span", `${part > 0 ? "+" : part < 0 ? "−" : ""}${tickText(Math.abs(part) * scene.top)}`);
      tick.style.left = `${signedLevel(part * scene.top, scene.top) / 2.55}%`;
      return tick;
    }));
    this.river.draw(scene);
  }

  drawStep(scene, step) {
    this.words.textContent = differenceWords(scene, step);
  }

  drawFocus({ lane, second, focus, massAt }, step) {
    const known = focus != null && focus < lane.frames[step].visible;
    const value = known ? massAt(step)[focus] : 0;
    const names = known ? [lane, second.lane].map((where) => quoted(where.texts[focus] || "mask", focus === 0)) : [];
    this.readout.textContent = known ? `position ${focus}: ${[...new Set(names)].join(" | ")} ${signed(value, 1)} × mean` : "";
  }
}
