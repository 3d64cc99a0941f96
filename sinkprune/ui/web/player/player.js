// The player: holds the run, the clock and the choices; `changed` asks for a drawing of what follows from them (drawing.js).
// State that tests and pages may read stands on the element .sp-player: data-run, data-step (the clock's tick, from 0), data-frames,
// data-playing, data-live, data-clock, data-view, data-layer, data-focus, data-leader (of the first lane, -1 without a sink), data-error.

import { makeAxis } from "./axis.js";
import { Clock } from "./clock.js";
import { Controls } from "./controls.js";
import { Drawing, PARTS } from "./drawing.js";
import { Focus } from "./focus.js";
import { HeadsSource } from "./heads_source.js";
import { watchKeys } from "./keys.js";
import { LaneView } from "./lane_view.js";
import { checkLook, lookFrom } from "./look.js";
import { MapSource } from "./map_source.js";
import { watchPointer } from "./pointer.js";
import { Projector } from "./projector.js";
import { Room } from "./room.js";
import { RULES } from "./sinks.js";
import { needsHeads, readRun } from "./trace.js";
import { VIEWS, viewNamed } from "./views.js";

const REAL_TIME = 8; // steps per second that stand for the measured speed when the clock counts time

export class Player {
  // page: {attention_map, heads}: functions that answer questions, see map_source.js and heads_source.js
  constructor(root, page, onError) {
    this.root = root;
    this.clock = new Clock();
    this.clockName = "steps";
    this.speed = 8;
    this.focus = new Focus(() => this.changed("focus"));
    this.sources = {
      heads: new HeadsSource(page.heads, (request) => this.headsArrived(request)),
      maps: new MapSource(page.attention_map, () => this.changed("panel")),
    };
    this.scope = { layer: null, head: null };
    this.rule = { name: "reference", value: RULES.reference.value };
    this.palette = "viridis";
    this.folded = true;
    this.against = 1; // of three lanes, the one that the first is held against
    this.view = VIEWS[0];
    this.laneViews = [];
    this.search = location.search;
    this.drawing = new Drawing(this, onError);
    this.projector = new Projector(root);
    this.room = new Room(root);
    this.controls = new Controls(root, this);
    watchKeys(this);
    this.controls.showView(this.view);
    this.watchSight();
  }

  // What views draw from, one per lane; made anew by `drawing`.
  get scenes() {
    return this.drawing.scenes;
  }

  // what: names of PARTS
  changed(...what) {
    this.drawing.need(...what);
  }

  // Starts a recorded run when the middle half of the window shows the player: a phone never shows much of a tall player at once.
  watchSight() {
    const middle = { rootMargin: "-25% 0px" };
    new IntersectionObserver(([entry]) => { this.seen = entry.isIntersecting; this.autoplay(); }, middle).observe(this.root);
  }

  show(trace) {
    const before = this.run;
    this.run = readRun(trace, before);
    this.drawing.broken = false;
    if (this.run !== before) this.startRun();
    this.setAxis();
    if (this.live) this.clock.seek(this.clock.last);
    this.seekOpening();
    if (this.run.done) this.live = false;
    this.changed(...PARTS);
    this.autoplay();
  }

  startRun() {
    const { run } = this;
    this.makeLanes();
    this.against = 1;
    this.clock.pause();
    this.clock.position = 0;
    this.focus.clear();
    this.controls.startRun(run);
    const asked = lookFrom(this.search, run.query);
    if (asked) this.search = ""; // an address is about the first run that it makes, not about later ones
    this.open(checkLook(asked ?? run.view, run.model));
    this.live = !run.done && this.opening == null;
    this.wantsAutoplay = run.done && this.opening == null;
  }

  makeLanes() {
    const { lanes } = this.run;
    const template = this.root.querySelector("template");
    for (const laneView of this.laneViews) laneView.remove();
    this.laneViews = lanes.map((lane, index) => new LaneView(template, index));
    this.root.querySelector(".sp-lanes").append(...this.laneViews.map((laneView) => laneView.root));
    this.root.querySelector(".sp-panels").append(...this.laneViews.map((laneView) => laneView.panel));
    this.laneViews.forEach((laneView, index) => { laneView.start(lanes[index]); watchPointer(laneView, this); });
    this.root.dataset.lanes = lanes.length;
    this.room.measure();
    this.drawing.resized = true;
  }

  // Show a look: what it leaves out stays as the visitor had it, but for the layer and head, which belong to the run.
  open({ step, layer, head, focus, rule, view, palette, clock }) {
    this.opening = step;
    this.scope = { layer, head };
    this.focus.locked = focus;
    if (rule) this.rule = rule;
    if (palette) this.palette = palette;
    if (clock) this.clockName = clock;
    if (view) this.view = viewNamed(view);
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
    this.changed(...PARTS);
  }

  setSpeed(speed) {
    this.speed = speed;
    if (this.run) this.setAxis();
  }

  // A recorded run starts by itself, once, when it comes into view; never against the visitor's wish for less motion.
  autoplay() {
    if (!this.wantsAutoplay || !this.seen || this.drawing.calm.matches) return;
    this.wantsAutoplay = false;
    this.clock.play();
    this.changed("step");
  }

  seek(tick) {
    this.wantsAutoplay = false;
    this.opening = null;
    this.clock.seek(tick);
    this.live = !this.run.done && this.clock.step === this.clock.last;
    this.changed("step", "panel", "focus");
  }

  setScope(change) {
    this.scope = { ...this.scope, ...change };
    this.controls.showChoices();
    this.changed(...PARTS);
  }

  chooseLayer(layer) {
    if (this.run && layer < this.run.model.layers) this.setScope({ layer: layer < 0 ? null : layer, head: null });
  }

  openHead({ layer, head }) {
    this.setScope({ layer, head });
    this.setView(VIEWS.find((view) => view.wants.includes("maps")));
  }

  toggleHead({ layer, head }) {
    const chosen = this.scope.layer === layer && this.scope.head === head;
    this.setScope(chosen ? { layer: null, head: null } : { layer, head });
  }

  // choice: {rule}, {palette}, {folded} or {against}
  set(choice) {
    Object.assign(this, choice);
    this.changed(...PARTS);
  }

  setView(view) {
    this.view = view;
    this.controls.showView(view);
    this.changed("panel");
  }

  headsArrived({ run, laneIndex }) {
    if (needsHeads(run, this.scope)) {
      run.lanes[laneIndex].massKey = null;
      this.changed(...PARTS);
    } else this.changed("panel", "focus");
  }

  stepOf(scene) {
    return this.axis.stepOf(scene.lane, this.clock.step);
  }

  // The scene that a lane view shows.
  shownBy(laneView) {
    return this.scenes[this.laneViews.indexOf(laneView)];
  }

  // Every step of every lane, as sources take them.
  everyStep() {
    return this.scenes.flatMap((scene) => scene.lane.frames.map((_, step) => ({ ...scene, step })));
  }
}
