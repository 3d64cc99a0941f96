// The player: holds the run, the clock and the choices, and redraws what changed once per animation frame.
// State that tests and pages may read stands on the element .sp-player: data-run, data-step (from 0), data-frames, data-playing,
// data-live, data-view, data-layer, data-focus, data-leader (of the first lane, -1 without a sink) and data-error.

import { Clock } from "./clock.js";
import { scaleTop } from "./colour.js";
import { findParting, isComparison } from "./compare.js";
import { Controls } from "./controls.js";
import { Focus } from "./focus.js";
import { LaneView } from "./lane_view.js";
import { MapSource } from "./map.js";
import { readTheme, tickStep } from "./plot.js";
import { watchPointer } from "./pointer.js";
import { blockRanges, skipsRows } from "./river.js";
import { RULES, trackSinks } from "./sinks.js";
import { massOf, readRun } from "./trace.js";
import { partingWords } from "./words.js";

const SPOKEN_EVERY_MS = 2500; // how often the verdict is spoken while playing
const ALL = ["data", "step", "heat", "focus", "head"];

export class Player {
  constructor(root, fetchMap, onError) {
    this.root = root;
    this.onError = onError;
    this.clock = new Clock();
    this.focus = new Focus(() => this.mark("focus"));
    this.maps = new MapSource(fetchMap, () => this.mark("heat"));
    this.scope = { layer: null, head: null };
    this.rule = { name: "reference", value: RULES.reference.value };
    this.palette = "viridis";
    this.view = "heads";
    this.views = [];
    this.scenes = [];
    this.dirty = new Set();
    this.seen = false;
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    this.controls = new Controls(root, this);
    this.controls.showView(this.view);
    this.watchPage();
  }

  watchPage() {
    new ResizeObserver(() => { this.resized = true; this.mark(...ALL); }).observe(this.root.querySelector(".sp-grid"));
    const middle = { rootMargin: "-25% 0px" }; // the middle half of the window: a phone never shows much of a tall player at once
    new IntersectionObserver(([entry]) => { this.seen = entry.isIntersecting; this.autoplay(); }, middle).observe(this.root);
    const restyle = () => { this.theme = null; this.mark(...ALL); };
    new MutationObserver(restyle).observe(document.body, { attributeFilter: ["class"] });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", restyle);
    document.fonts?.ready.then(restyle);
  }

  show(trace) {
    const before = this.run;
    this.run = readRun(trace, before);
    this.broken = false;
    this.clock.setLast(this.run.steps - 1);
    if (this.run !== before) this.startRun();
    if (this.live) this.clock.seek(this.clock.last);
    if (this.run.done) this.live = false;
    this.mark(...ALL);
    this.autoplay();
  }

  startRun() {
    const { run } = this;
    const template = this.root.querySelector("template");
    for (const view of this.views) view.root.remove();
    this.views = run.lanes.map((lane, index) => new LaneView(template, index));
    this.root.querySelector(".sp-grid").append(...this.views.map((view) => view.root));
    this.views.forEach((view, index) => { view.start(run.lanes[index]); watchPointer(view, this); });
    this.root.dataset.lanes = run.lanes.length;
    this.clock.pause();
    this.clock.seek(0);
    this.live = !run.done;
    this.wantsAutoplay = run.done;
    this.scope = { layer: run.opening, head: null };
    this.controls.fillModel(run.model);
    this.controls.showScope(this.scope);
    this.focus.clear();
    this.resized = true;
  }

  // A recorded run starts by itself, once, when it comes into view; never against the visitor's wish for less motion.
  autoplay() {
    if (!this.wantsAutoplay || !this.seen || this.calm.matches) return;
    this.wantsAutoplay = false;
    this.clock.play();
    this.mark("step");
  }

  seek(step) {
    this.wantsAutoplay = false;
    this.clock.seek(step);
    this.live = !this.run.done && this.clock.step === this.clock.last;
    this.mark("step", "heat", "focus", "head");
  }

  act(name) {
    const { clock, focus } = this;
    if (!this.run?.steps) return;
    if (name === "toggle" || name === "parting") this.wantsAutoplay = false;
    if (["first", "back", "forward", "last", "live", "parting"].includes(name)) clock.pause();
    if (name === "toggle") clock.playing ? clock.pause() : clock.play();
    if (name === "toggle") this.live = false;
    if (name === "first") this.seek(0);
    if (name === "back") this.seek(clock.step - 1);
    if (name === "forward") this.seek(clock.step + 1);
    if (name === "last" || name === "live") this.seek(clock.last);
    if (name === "loop") clock.loop = !clock.loop;
    if (name === "parting") this.goToParting();
    if (name === "tokenBefore" || name === "tokenAfter") this.moveFocus(name === "tokenAfter" ? 1 : -1);
    if (name === "release") focus.clear();
    if (name === "mean") this.setScope({ layer: null, head: null });
    this.mark("step", "head");
  }

  moveFocus(by) {
    const scene = this.scenes[0];
    this.focus.move(by, scene.lane.length, Math.max(0, scene.track.leaders[this.stepOf(scene)]));
  }

  goToParting() {
    const { parting } = this.scenes[0];
    this.seek(parting.step);
    if (this.focus.locked !== parting.position) this.focus.lock(parting.position);
  }

  setScope(change) {
    this.scope = { ...this.scope, ...change };
    this.controls.showScope(this.scope);
    this.mark(...ALL);
  }

  chooseLayer(layer) {
    if (this.run && layer < this.run.model.layers) this.setScope({ layer: layer < 0 ? null : layer, head: null });
  }

  openHead({ layer, head }) {
    this.setScope({ layer, head });
    this.setView("map");
  }

  toggleHead({ layer, head }) {
    const chosen = this.scope.layer === layer && this.scope.head === head;
    this.setScope(chosen ? { layer: null, head: null } : { layer, head });
  }

  setRule(name, value) {
    this.rule = { name, value };
    this.mark(...ALL);
  }

  setPalette(name) {
    this.palette = name;
    this.mark(...ALL);
  }

  setView(view) {
    this.view = view;
    this.controls.showView(view, this.cached);
    this.mark("heat");
  }

  mark(...what) {
    for (const name of what) this.dirty.add(name);
    if (this.run && !this.broken && !this.waiting) this.waiting = requestAnimationFrame((now) => this.frame(now));
  }

  frame(now) {
    this.waiting = null;
    try {
      this.tick(now);
      this.redraw();
    } catch (error) {
      this.broken = true; // until the next value: what failed once would fail with every frame
      this.onError(error);
      return;
    }
    if (this.clock.playing) this.mark("head");
    else this.lastTime = null;
  }

  tick(now) {
    const before = this.clock.step;
    this.clock.advance(this.lastTime == null ? 0 : (now - this.lastTime) / 1000);
    this.lastTime = now;
    if (this.clock.step !== before || !this.clock.playing) for (const name of ["step", "heat", "focus"]) this.dirty.add(name);
  }

  redraw() {
    const { dirty, clock } = this;
    this.dirty = new Set();
    this.theme ??= readTheme(this.root);
    if (this.resized) for (const view of this.views) view.resize();
    this.resized = false;
    if (dirty.has("data")) this.prepare();
    const has = (...names) => names.some((name) => dirty.has(name));
    this.scenes.forEach((scene, index) => {
      const view = this.views[index];
      const step = this.stepOf(scene);
      scene.focus = this.focus.in(scene.lane);
      if (has("data")) view.drawData(scene);
      if (has("data", "step", "focus")) view.drawStep(scene, step);
      if (has("data", "step", "focus", "heat")) view.drawHeat(scene, step, this.view, this.maps);
      if (has("data", "step", "focus")) view.drawFocus(scene, step);
      view.river.drawOverlay(scene, this.calm.matches ? clock.step : clock.position);
    });
    if (this.view === "map" && has("data", "step", "heat")) this.maps.want(this.mapRequests());
    this.controls.showTime();
    this.publish();
    this.speak();
  }

  stepOf(scene) {
    return Math.min(this.clock.step, scene.lane.frames.length - 1);
  }

  sceneOf(laneView) {
    return this.scenes[this.views.indexOf(laneView)];
  }

  laneOf(laneView) {
    return this.run.lanes[this.views.indexOf(laneView)];
  }

  // What every view of a lane draws from; made anew when data or choices change, never per step.
  prepare() {
    const { run, scope, rule, palette, theme } = this;
    const comparison = isComparison(run);
    const parting = comparison ? findParting(run.lanes) : null;
    const axisSteps = run.done ? run.steps : Math.max(expectedSteps(run), run.steps);
    const axisLength = Math.max(...run.lanes.map((lane) => lane.length));
    this.scenes = run.lanes.map((lane, laneIndex) => {
      const massAt = (step) => massOf(run, lane, step, scope);
      const track = trackSinks(lane.frames.length, massAt, (step) => lane.frames[step].visible, rule);
      const blocks = blockRanges(lane, run.settings.block_length);
      return { run, lane, laneIndex, scope, palette, theme, comparison, parting, axisSteps, axisLength, massAt, track, blocks };
    });
    const top = scaleTop(Math.max(...this.scenes.map((scene) => scene.track.peak)));
    for (const scene of this.scenes) scene.top = top;
    this.cached = run.lanes.some((lane) => lane.kind === "dlm" && lane.frames.some(skipsRows));
    this.controls.showLegend(top, palette, this.cached);
    this.controls.showView(this.view, this.cached);
    this.controls.parting.hidden = !parting;
    if (parting) this.controls.parting.textContent = partingWords(run.lanes, parting);
  }

  // This step of every lane first, then its neighbours in the direction of travel.
  mapRequests() {
    const ahead = this.clock.playing ? [0, 1, 2] : [0, 1, -1];
    return ahead.flatMap((shift) => this.scenes.flatMap((scene) => {
      const step = this.stepOf(scene) + shift;
      return step >= 0 && step < scene.lane.frames.length ? [{ ...scene, step }] : [];
    }));
  }

  publish() {
    const { clock, run, root, scenes } = this;
    const state = {
      run: run.id, step: clock.step, frames: run.steps, playing: clock.playing, live: Boolean(this.live), view: this.view,
      layer: this.scope.layer ?? "mean", focus: this.focus.current ?? "", leader: scenes[0]?.track.leaders[this.stepOf(scenes[0])] ?? -1,
    };
    for (const [name, value] of Object.entries(state)) if (root.dataset[name] !== String(value)) root.dataset[name] = value;
  }

  speak() {
    const now = performance.now();
    if (this.clock.playing && now - (this.spokenAt ?? 0) < SPOKEN_EVERY_MS) return;
    const spoken = this.root.querySelector(".sp-spoken");
    const text = this.views.map((view) => (this.views.length > 1 ? `${view.title.textContent}. ` : "") + view.verdict.textContent).join(". ");
    if (spoken.textContent === text) return;
    spoken.textContent = text;
    this.spokenAt = now;
  }
}

// How many steps a live run will take, as far as its settings tell; else room for what is there, in round numbers.
function expectedSteps({ settings, steps, lanes }) {
  const fixed = settings.threshold == null && settings.factor == null ? settings.steps : null;
  const length = lanes.some((lane) => lane.kind === "ar") ? settings.gen_length : null;
  const known = Math.max(fixed ?? 0, length ?? 0);
  const round = 16 * tickStep(Math.max(1, steps), 16);
  return known || round;
}
