// One lane on the page: title, verdict, river, bars, heatmap, chips. Draws what it is told; decides nothing.

import { Bars } from "./bars.js";
import { Chips } from "./chips.js";
import { HeadsView, headShare } from "./heads.js";
import { MapView } from "./map.js";
import { Sheet } from "./plot.js";
import { River } from "./river.js";
import { strongest } from "./sinks.js";
import { laneStats, percent, readout, tokenName, verdict } from "./words.js";

const HINT = "Point at a token to follow it, click to keep it.";

export class LaneView {
  constructor(template, index) {
    const root = template.content.firstElementChild.cloneNode(true);
    const find = (name) => root.querySelector(`.sp-${name}`);
    this.root = root;
    root.style.setProperty("--sp-lane", index);
    root.dataset.lane = index;
    for (const name of ["title", "stats", "verdict", "readout", "answer", "spinner", "waiting"]) this[name] = find(name);
    this.textTitle = find("text-title");
    [this.riverCanvas, this.overlayCanvas] = find("river").children;
    this.barsCanvas = find("bars");
    this.heatCanvas = find("heat").firstElementChild;
    this.river = new River(this.riverCanvas, this.overlayCanvas);
    this.bars = new Bars(this.barsCanvas);
    this.heatSheet = new Sheet(this.heatCanvas);
    this.heads = new HeadsView(this.heatSheet);
    this.map = new MapView(this.heatSheet);
    this.chips = new Chips(find("chips"));
    this.column = null; // the layer and head under the pointer
  }

  resize() {
    this.river.resize();
    this.bars.sheet.resize();
    this.heatSheet.resize();
  }

  start(lane) {
    this.chips.build(lane);
    this.shownMap = null;
    setText(this.title, lane.title);
    setText(this.textTitle, lane.title);
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
    setText(this.stats, laneStats(scene.lane, step, scene.track).join("  ·  "));
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

  // player: {view, maps, heads}
  drawHeat(scene, step, { view, maps, heads }) {
    if (!scene.lane.frames.length) return;
    this.spinner.hidden = true;
    if (view === "heads") {
      this.heatCanvas.setAttribute("aria-label", `${scene.lane.title}: attention received by every token in every layer and head`);
      this.spinner.hidden = this.heads.draw(scene, step, heads.error);
      return;
    }
    const map = maps.get({ ...scene, step });
    const about = map?.error ?? "attention from every token to every token";
    this.heatCanvas.setAttribute("aria-label", `${scene.lane.title}: ${about}`);
    if (map) this.shownMap = map;
    this.spinner.hidden = Boolean(map);
    this.map.draw(scene, step, this.shownMap, !map);
  }

  drawFocus(scene, step) {
    if (!scene.lane.frames.length) return;
    this.chips.showFocus(scene.focus);
    this.readout.replaceChildren(...this.readoutParts(scene, step));
  }

  readoutParts(scene, step) {
    const { lane, focus } = scene;
    if (focus == null) return scene.laneIndex ? [] : [part("span", HINT)];
    const { visible } = lane.frames[step];
    const mass = scene.massAt(step)[focus];
    const parts = readout({ lane, position: focus, step, mass, visible }).map((text) => part("span", text));
    if (this.column && focus < visible) {
      const { layer, head } = this.column;
      const share = headShare(scene, step, focus, this.column);
      if (share !== undefined) parts.push(part("span", `layer ${layer + 1}, head ${head + 1}: ${share == null ? "removed" : percent(share)}`));
    }
    return [part("b", tokenName(lane, focus, step)), ...parts];
  }
}

function part(tag, text, className = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  element.className = className;
  return element;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
