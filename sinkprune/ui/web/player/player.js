// The player: holds the run, the clock and the choices, and redraws what changed once per animation frame.
// State that tests and pages may read stands on the element .sp-player: data-run, data-step (the clock's tick, from 0), data-frames,
// data-playing, data-live, data-clock, data-view, data-layer, data-focus, data-leader (of the first lane, -1 without a sink), data-error.

import { makeAxis } from "./axis.js";
import { Clock } from "./clock.js";
import { Controls } from "./controls.js";
import { DifferenceView, makeDifference } from "./difference.js";
import { Focus } from "./focus.js";
import { HeadsSource } from "./heads_source.js";
import { LaneView } from "./lane_view.js";
import { MapSource } from "./map.js";
import { readTheme } from "./plot.js";
import { watchDifference, watchPointer } from "./pointer.js";
import { Speaker, publish } from "./report.js";
import { skipsRows } from "./river.js";
import { checkScene, sceneFrom } from "./look.js";
import { makeScenes, sinkMoves } from "./scenes.js";
import { RULES } from "./sinks.js";
import { needsHeads, readRun } from "./trace.js";
import { partingWords } from "./words.js";

const REAL_TIME = 8; // steps per second that stand for the measured speed when the clock counts time
const ALL = ["data", "step", "heat", "focus", "head"];

export class Player {
  // page: {attention_map, heads}: functions that answer questions, see map.js and heads_source.js
  constructor(root, page, onError) {
    this.root = root;
    this.onError = onError;
    this.clock = new Clock();
    this.clockName = "steps";
    this.speed = 8;
    this.focus = new Focus(() => this.mark("focus"));
    this.maps = new MapSource(page.attention_map, () => this.mark("heat"));
    this.heads = new HeadsSource(page.heads, (request) => this.headsArrived(request));
    this.scope = { layer: null, head: null };
    this.rule = { name: "reference", value: RULES.reference.value };
    this.palette = "viridis";
    this.view = "heads";
    this.views = [];
    this.scenes = [];
    this.moves = [];
    this.dirty = new Set();
    this.seen = false;
    this.search = location.search;
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    this.difference = new DifferenceView(root.querySelector(".sp-difference"));
    watchDifference(this.difference, this);
    this.speaker = new Speaker(root.querySelector(".sp-spoken"));
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
    if (this.run !== before) this.startRun();
    this.setAxis();
    if (this.live) this.clock.seek(this.clock.last);
    this.seekOpening();
    if (this.run.done) this.live = false;
    this.mark(...ALL);
    this.autoplay();
  }

  startRun() {
    const { run } = this;
    const template = this.root.querySelector("template");
    for (const view of this.views) view.root.remove();
    this.views = run.lanes.map((lane, index) => new LaneView(template, index));
    this.root.querySelector(".sp-grid").append(...this.views.map((view) => view.root), this.difference.root);
    this.views.forEach((view, index) => { view.start(run.lanes[index]); watchPointer(view, this); });
    this.root.dataset.lanes = run.lanes.length;
    this.clock.pause();
    this.clock.position = 0;
    this.focus.clear();
    this.controls.startRun(run);
    const asked = sceneFrom(this.search, run.query);
    if (asked) this.search = ""; // an address is about the first run that it makes, not about later ones
    this.open(checkScene(asked ?? run.view, run.model));
    this.live = !run.done && this.opening == null;
    this.wantsAutoplay = run.done && this.opening == null;
    this.resized = true;
  }

  // Show a scene: what it leaves out stays as the visitor had it, but for the layer and head, which belong to the run.
  open({ step, layer, head, focus, rule, view, palette, clock }) {
    this.opening = step;
    this.scope = { layer, head };
    this.focus.locked = focus;
    if (rule) this.rule = rule;
    if (palette) this.palette = palette;
    if (clock) this.clockName = clock;
    if (view) this.view = view;
    this.controls.showChoices();
  }

  // A run that opens at a step goes there as soon as that step has come.
  seekOpening() {
    if (this.opening == null || !this.run.steps) return;
    const lane = this.run.lanes[0];
    const step = Math.min(this.opening, lane.frames.length - 1);
    this.clock.seek(this.axis.tickOf(lane, Math.max(0, step)));
    if (step === this.opening || this.run.done) this.opening = null;
  }

  setAxis() {
    this.axis = makeAxis(this.clockName, this.run);
    this.clock.setLast(this.axis.last, this.axis.marks);
    this.clock.speed = this.axis.clock === "time" ? this.speed / REAL_TIME : this.speed;
  }

  // The lanes stay where they are: only what the clock counts changes.
  setClock(name) {
    const step = this.stepOf(this.scenes[0]);
    this.clock.pause();
    this.clockName = name;
    this.setAxis();
    this.clock.seek(this.axis.tickOf(this.run.lanes[0], step));
    this.controls.showChoices();
    this.mark(...ALL);
  }

  setSpeed(speed) {
    this.speed = speed;
    if (this.run) this.setAxis();
  }

  // A recorded run starts by itself, once, when it comes into view; never against the visitor's wish for less motion.
  autoplay() {
    if (!this.wantsAutoplay || !this.seen || this.calm.matches) return;
    this.wantsAutoplay = false;
    this.clock.play();
    this.mark("step");
  }

  seek(tick) {
    this.wantsAutoplay = false;
    this.opening = null;
    this.clock.seek(tick);
    this.live = !this.run.done && this.clock.step === this.clock.last;
    this.mark("step", "heat", "focus", "head");
  }

  setScope(change) {
    this.scope = { ...this.scope, ...change };
    this.controls.showChoices();
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

  // choice: {rule} or {palette}
  set(choice) {
    Object.assign(this, choice);
    this.mark(...ALL);
  }

  setView(view) {
    this.view = view;
    this.controls.showView(view, this.cached);
    this.mark("heat");
  }

  headsArrived({ run, laneIndex }) {
    if (needsHeads(run, this.scope)) {
      run.lanes[laneIndex].massKey = null;
      this.mark(...ALL);
    } else this.mark("heat", "focus");
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
    const { dirty } = this;
    this.dirty = new Set();
    this.theme ??= readTheme(this.root);
    if (this.resized) for (const view of [...this.views, this.difference]) view.resize();
    this.resized = false;
    const has = (...names) => names.some((name) => dirty.has(name));
    if (has("data")) this.prepare();
    this.scenes.forEach((scene, index) => {
      const view = this.views[index];
      const step = this.stepOf(scene);
      scene.focus = this.focus.in(scene.lane);
      if (has("data")) view.drawData(scene);
      if (has("data", "step", "focus")) view.drawStep(scene, step);
      if (has("data", "step", "focus", "heat")) view.drawHeat(scene, step, this);
      if (has("data", "step", "focus")) view.drawFocus(scene, step);
      view.river.drawOverlay(scene, this.placeShown());
    });
    if (this.signed) this.drawDifference(has);
    if (has("data", "step", "heat")) this.fetchWhatIsSeen();
    this.controls.showTime();
    this.share?.showLink();
    publish(this, this.scenes[0].track.leaders[this.stepOf(this.scenes[0])] ?? -1);
    this.speaker.speak(this.views, this.clock.playing);
  }

  // The place on the axis that is shown: between ticks only while motion is welcome.
  placeShown() {
    return this.calm.matches ? this.clock.placeOf(this.clock.step) : this.clock.position;
  }

  drawDifference(has) {
    const { signed } = this;
    const step = Math.min(this.stepOf(this.scenes[0]), signed.lane.frames.length - 1);
    signed.focus = this.focus.in(signed.lane);
    if (has("data")) this.difference.drawData(signed);
    if (has("data", "step")) this.difference.drawStep(signed, step);
    if (has("data", "step", "focus")) this.difference.drawFocus(signed, step);
    this.difference.river.drawOverlay(signed, this.axis.clock === "time" ? step : this.placeShown());
  }

  stepOf(scene) {
    return this.axis.stepOf(scene.lane, this.clock.step);
  }

  sceneOf(laneView) {
    return this.scenes[this.views.indexOf(laneView)];
  }

  prepare() {
    const { run, scope, rule, palette, theme, axis } = this;
    this.scenes = makeScenes(run, { scope, rule, palette, theme, axis });
    this.moves = sinkMoves(this.scenes);
    const { parting, comparison, top } = this.scenes[0];
    this.signed = comparison && run.lanes.every((lane) => lane.frames.length) ? makeDifference(this.scenes) : null;
    if (this.difference.root.hidden !== !this.signed) this.resized = true;
    this.difference.root.hidden = !this.signed;
    this.cached = run.lanes.some((lane) => lane.kind === "dlm" && lane.frames.some(skipsRows));
    this.controls.showLegend(top, palette, this.cached);
    this.controls.showView(this.view, this.cached);
    this.controls.showMoves(this.moves.length);
    this.controls.parting.hidden = !parting;
    if (parting) this.controls.parting.textContent = partingWords(run.lanes, parting);
  }

  // Heads and maps of this step in every lane first, then of its neighbours in the direction of travel.
  fetchWhatIsSeen() {
    const near = (shifts) => shifts.flatMap((shift) => this.scenes.flatMap((scene) => {
      const step = this.stepOf(scene) + shift;
      return step >= 0 && step < scene.lane.frames.length ? [{ ...scene, step }] : [];
    }));
    const all = () => this.scenes.flatMap((scene) => scene.lane.frames.map((_, step) => ({ ...scene, step })));
    this.heads.want([...near(this.clock.playing ? [0, 8] : [0]), ...(needsHeads(this.run, this.scope) ? all() : [])]);
    if (this.view === "map") this.maps.want(near(this.clock.playing ? [0, 1, 2] : [0, 1, -1]));
  }
}
