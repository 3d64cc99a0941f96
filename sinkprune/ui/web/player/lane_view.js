// One lane on the page: title, words, river, bars, numbers, and a panel with one view of the step. Draws what it is told; decides nothing.

import { make, setText } from "../shared/dom.js";
import { percent } from "../shared/numbers.js";
import { Bars } from "./bars.js";
import { Chips } from "./chips.js";
import { headLeftOut, leftOutWords, markLeftOut } from "./left_out.js";
import { Sheet } from "./plot.js";
import { River } from "./river.js";
import { strongest } from "./sinks.js";
import { Touch } from "./touch.js";
import { headShare, valuesOf } from "./trace.js";
import { VIEWS } from "./views.js";
import { hint, laneStats, readout, tokenName, verdict } from "./words.js";

export class LaneView {
  // template: of a lane and its panel
  constructor(template, index) {
    [this.root, this.panel] = template.content.cloneNode(true).children;
    const find = (name) => this.root.querySelector(`.sp-${name}`);
    for (const part of [this.root, this.panel]) part.dataset.lane = index;
    for (const name of ["title", "stats", "verdict", "readout", "answer", "waiting"]) this[name] = find(name);
    [this.riverCanvas, this.overlayCanvas] = find("river").children;
    this.barsCanvas = find("bars");
    [this.panelTitle, this.panelCanvas, this.spinner] = this.panel.children;
    this.river = new River(this.riverCanvas, this.overlayCanvas);
    this.bars = new Bars(this.barsCanvas);
    this.panelSheet = new Sheet(this.panelCanvas);
    this.panels = new Map(VIEWS.map((view) => [view, view.make(this.panelSheet)]));
    this.chips = new Chips(find("chips"));
    this.touch = new Touch(this.root);
    this.column = null; // the layer and head under the pointer
  }

  remove() {
    this.root.remove();
    this.panel.remove();
  }

  resize() {
    this.river.resize();
    this.bars.sheet.resize();
    this.panelSheet.resize();
  }

  start(lane) {
    this.chips.build(lane);
    setText(this.title, lane.title);
    setText(this.panelTitle, lane.title);
    this.chips.container.setAttribute("aria-label", `${lane.title}: the text at this step`);
    this.riverCanvas.setAttribute("aria-label", `${lane.title}: attention received by every token over the steps`);
    this.barsCanvas.setAttribute("aria-label", `${lane.title}: attention received by every token at this step`);
  }

  drawData(scene) {
    const { lane } = scene;
    this.waiting.hidden = lane.frames.length > 0;
    setText(this.answer, lane.text);
    this.river.draw(scene);
  }

  drawStep(scene, step) {
    if (!scene.lane.frames.length) return;
    this.bars.draw(scene, step);
    this.chips.showStep(scene, step);
    markLeftOut(this.chips.chips, scene, step);
    this.stats.replaceChildren(...laneStats(scene.lane, step, scene.track));
    setText(this.verdict, this.sentence(scene, step));
  }

  sentence(scene, step) {
    const { lane, track, run, scope } = scene;
    const mass = scene.massAt(step);
    const { visible } = lane.frames[step];
    const leading = strongest(mass, visible);
    const total = run.done || lane.done ? lane.frames.length : null;
    const [share, isSink, moves] = [mass[leading] / visible, track.leaders[step] === leading, track.moves[step]];
    return verdict({ lane, step, total, leading, share, isSink, moves, scope });
  }

  // player: {view, sources}
  drawPanel(scene, step, { view, sources }) {
    if (!scene.lane.frames.length) return;
    const { waiting = false, said } = this.panels.get(view).draw(scene, step, sources);
    this.spinner.hidden = !waiting;
    this.panelCanvas.setAttribute("aria-label", `${scene.lane.title}: ${said ?? view.about}`);
  }

  // player: {touch, focus}
  drawFocus(scene, step, player) {
    if (!scene.lane.frames.length) return;
    this.touch.show(scene, step, player);
    this.chips.showFocus(scene.focus, scene.rows);
    this.readout.replaceChildren(...this.readoutParts(scene, step));
  }

  readoutParts(scene, step) {
    const { lane, focus } = scene;
    if (focus == null) return scene.laneIndex ? [] : [make("span", hint(), "sp-hint")];
    const { visible } = lane.frames[step];
    const mass = scene.massAt(step)[focus];
    const value = valuesOf(scene.run, lane, step, scene.scope)?.[focus];
    const parts = readout({ lane, position: focus, step, mass, visible, value }).map((text) => make("span", text));
    const away = leftOutWords(scene, step, focus);
    if (away) parts.push(make("span", away));
    if (this.column && focus < visible) {
      const { layer, head } = this.column;
      const share = headShare(scene, step, focus, this.column);
      if (share !== undefined) parts.push(make("span", `layer ${layer + 1}, head ${head + 1}: ${share == null ? (headLeftOut(scene, step, this.column) ? "left out" : "removed") : percent(share)}`));
    }
    return [make("b", tokenName(lane, focus, step)), ...parts];
  }
}
