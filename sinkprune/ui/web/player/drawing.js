// Draws the player once per animation frame: only what has changed, and asks the page for what the views want.

import { skipsRows } from "./blocks.js";
import { captionOf } from "./caption.js";
import { DifferenceView, makeDifference } from "./difference.js";
import { readTheme } from "./plot.js";
import { watchDifference } from "./pointer.js";
import { Speaker, publish } from "./report.js";
import { makeScenes, sceneAt, sinkMoves } from "./scenes.js";
import { needsHeads } from "./trace.js";

// data: the run or a choice; step: the clock; panel: the view of this step; focus: the token in focus
export const PARTS = ["data", "step", "panel", "focus"];

export class Drawing {
  constructor(player, onError) {
    this.player = player;
    this.onError = onError;
    this.scenes = [];
    this.moves = []; // of the lead, see sinkMoves
    this.needed = new Set();
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    this.difference = new DifferenceView(player.root.querySelector(".sp-difference"));
    watchDifference(this.difference, player);
    this.speaker = new Speaker(player.root.querySelector(".sp-spoken"));
    this.watchPage();
  }

  watchPage() {
    const { root } = this.player;
    new ResizeObserver(() => { this.resized = true; this.need(...PARTS); }).observe(root.querySelector(".sp-grid"));
    const restyle = () => { this.theme = null; this.need(...PARTS); };
    new MutationObserver(restyle).observe(document.body, { attributeFilter: ["class"] });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", restyle);
    document.fonts?.ready.then(restyle);
  }

  // what: names of PARTS; none of them: only the place on the axis
  need(...what) {
    for (const name of what) this.needed.add(name);
    if (this.player.run && !this.broken && !this.waiting) this.waiting = requestAnimationFrame((now) => this.frame(now));
  }

  frame(now) {
    this.waiting = null;
    try {
      this.tick(now);
      this.draw();
    } catch (error) {
      this.broken = true; // until the next value: what failed once would fail with every frame
      this.onError(error);
      return;
    }
    if (this.player.clock.playing) this.need();
    else this.lastTime = null;
  }

  tick(now) {
    const { clock } = this.player;
    const before = clock.step;
    clock.advance(this.lastTime == null ? 0 : (now - this.lastTime) / 1000);
    this.lastTime = now;
    if (clock.step !== before || !clock.playing) for (const name of ["step", "panel", "focus"]) this.needed.add(name);
  }

  draw() {
    const { player, needed } = this;
    this.needed = new Set();
    this.theme ??= readTheme(player.root);
    this.fit();
    const has = (...names) => names.some((name) => needed.has(name));
    if (has("data")) this.prepare();
    this.scenes.forEach((scene, index) => this.drawLane(player.laneViews[index], scene, has));
    if (this.signed) this.drawDifference(has);
    if (has("data", "step", "panel")) this.fetchWhatIsSeen();
    if (has("data", "step")) player.controls.showCaption(captionOf(this.scenes.map((scene) => sceneAt(scene, player.stepOf(scene))), (scene) => player.stepOf(scene)));
    if (needed.size) this.say();
  }

  // What stands in the page's elements: touched only when a part has changed, since each touch costs a style pass.
  say() {
    const { player } = this;
    player.controls.showTime();
    player.share?.showLink();
    publish(player);
    this.speaker.speak(player);
  }

  fit() {
    if (!this.resized) return;
    for (const view of [...this.player.laneViews, this.difference]) view.resize();
    this.resized = false;
  }

  drawLane(laneView, scene, has) {
    const { player } = this;
    const step = player.stepOf(scene);
    scene.focus = player.focus.in(scene.lane);
    const shown = sceneAt(scene, step);
    if (has("data")) laneView.drawData(scene);
    if (has("data", "step", "focus")) laneView.drawStep(shown, step);
    if (has("data", "step", "focus", "panel")) laneView.drawPanel(shown, step, player);
    if (has("data", "step", "focus")) laneView.drawFocus(shown, step, player);
    laneView.river.drawOverlay(scene, this.placeShown());
  }

  // The place on the axis that is shown: between ticks only while motion is welcome.
  placeShown() {
    const { clock } = this.player;
    return this.calm.matches ? clock.placeOf(clock.step) : clock.position;
  }

  drawDifference(has) {
    const { signed, difference, player } = this;
    const step = Math.min(player.stepOf(this.scenes[0]), signed.lane.frames.length - 1);
    signed.focus = player.focus.in(signed.lane);
    if (has("data")) difference.drawData(signed);
    if (has("data", "step")) difference.drawStep(signed, step);
    if (has("data", "step", "focus")) difference.drawFocus(signed, step);
    difference.river.drawOverlay(signed, player.axis.clock === "time" ? step : this.placeShown());
  }

  prepare() {
    const { run, scope, rule, palette, folded, axis, controls, against } = this.player;
    this.scenes = makeScenes(run, { scope, rule, palette, folded, theme: this.theme, axis, against });
    this.moves = sinkMoves(this.scenes);
    const [first] = this.scenes;
    const { comparison } = first;
    this.signed = comparison && run.lanes.every((lane) => lane.frames.length) ? makeDifference([first, this.scenes[first.against]]) : null;
    if (this.difference.root.hidden !== !this.signed) this.resized = true;
    this.difference.root.hidden = !this.signed;
    this.cached = run.lanes.some((lane) => lane.kind === "dlm" && lane.frames.some(skipsRows));
    controls.showData(this);
  }

  // What the view wants of this step in every lane first, then of its neighbours in the direction of travel.
  fetchWhatIsSeen() {
    const { run, scope, view, sources, clock } = this.player;
    const near = (shifts) => shifts.flatMap((shift) => this.scenes.flatMap((scene) => {
      const step = this.player.stepOf(scene) + shift;
      return step >= 0 && step < scene.lane.frames.length ? [{ ...scene, step }] : [];
    }));
    const scoped = needsHeads(run, scope);
    for (const [name, source] of Object.entries(sources)) {
      const seen = view.wants.includes(name) ? near(source.near(clock.playing)) : [];
      source.want(scoped && name === "heads" ? [...seen, ...this.player.everyStep()] : seen);
    }
  }
}
