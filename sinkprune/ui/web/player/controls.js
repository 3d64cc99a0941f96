// Buttons and fields of the player. They change the player through its few verbs and show its state.

import { make, setText } from "../shared/dom.js";
import { act } from "./actions.js";
import { MAPS, cssGradient, legendTicks, level, tickText } from "./colour.js";
import { leavesOut } from "./left_out.js";
import { RULES } from "./sinks.js";
import { explainTerm } from "./terms.js";
import { VIEWS, viewNamed } from "./views.js";
import { partingWords, scopeWords } from "./words.js";

const PARTS = [
  "range", "count", "live", "speed", "loop", "play", "parting", "layer", "rule", "value", "symbol", "palette", "mean", "moves", "clocks",
  "fold", "caption", "explain",
];

export class Controls {
  constructor(root, player) {
    this.player = player;
    this.root = root;
    const find = (name) => root.querySelector(`.sp-${name}`);
    for (const name of PARTS) this[name] = find(name);
    this.headChoice = find("head-choice");
    this.valueShown = find("value-shown");
    this.drawnNow = find("drawn-now");
    this.fillFixed();
    this.watchFields();
    this.watchButtons();
  }

  fillFixed() {
    fillOptions(this.rule, Object.entries(RULES).map(([name, rule]) => [name, rule.label]));
    fillOptions(this.palette, MAPS.map((name) => [name, name]));
    this.viewButtons = VIEWS.map(({ name, label }) => Object.assign(make("button", label), { type: "button", value: name }));
    this.root.querySelector(".sp-views").append(...this.viewButtons);
    for (const element of this.root.querySelectorAll("[data-term]")) explainTerm(element, element.dataset.term);
  }

  startRun({ lanes, model: { layers, heads } }) {
    const numbers = (count) => Array.from({ length: count }, (_, index) => [String(index), String(index + 1)]);
    fillOptions(this.layer, [["", "mean"], ...numbers(layers)]);
    fillOptions(this.headChoice, [["", "mean"], ...numbers(heads)]);
    this.clocks.hidden = lanes.length < 2;
  }

  watchFields() {
    const { player } = this;
    const showRule = (name, value) => { player.set({ rule: { name, value } }); this.showRule(); };
    this.range.addEventListener("input", () => { player.clock.pause(); player.seek(Number(this.range.value)); });
    this.speed.addEventListener("change", () => player.setSpeed(Number(this.speed.value)));
    this.layer.addEventListener("change", () => player.setScope({ layer: chosen(this.layer) }));
    this.headChoice.addEventListener("change", () => player.setScope({ head: chosen(this.headChoice) }));
    this.rule.addEventListener("change", () => showRule(this.rule.value, RULES[this.rule.value].value));
    this.value.addEventListener("input", () => showRule(this.rule.value, Number(this.value.value)));
    this.palette.addEventListener("change", () => player.set({ palette: this.palette.value }));
    this.fold.addEventListener("change", () => player.set({ folded: this.fold.checked }));
  }

  watchButtons() {
    this.root.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button?.dataset.do) act(this.player, button.dataset.do);
      if (button?.dataset.clock) this.player.setClock(button.dataset.clock);
      if (this.viewButtons.includes(button)) this.player.setView(viewNamed(button.value));
    });
  }

  showRule() {
    const { name, value } = this.player.rule;
    const { min, max, step, symbol } = RULES[name];
    this.rule.value = name;
    Object.assign(this.value, { min, max, step, value });
    this.value.setAttribute("aria-label", `Sink threshold ${symbol}`);
    this.symbol.textContent = symbol;
    this.valueShown.textContent = name === "paper" ? `${value} × mean` : String(value);
    this.showNow();
  }

  // What stands beside the closed disclosure.
  showNow() {
    const { scope, rule } = this.player;
    setText(this.drawnNow, `${scopeWords(scope)} · a sink is above the ${RULES[rule.name].label}, ${RULES[rule.name].symbol} = ${rule.value}`);
  }

  showTime() {
    const { clock, run, live, axis } = this.player;
    const seconds = (tick) => `${clock.placeOf(tick).toFixed(2)} s`;
    const timed = axis.clock === "time";
    this.range.max = clock.last;
    this.range.value = clock.step;
    this.range.setAttribute("aria-valuetext", timed ? `${seconds(clock.step)} of ${seconds(clock.last)}` : `step ${clock.step + 1} of ${run.steps}`);
    this.count.textContent = timed ? `${seconds(clock.step)} / ${seconds(clock.last)}` : `${clock.step + 1} / ${run.steps}`;
    this.play.setAttribute("aria-label", clock.playing ? "Pause" : "Play");
    this.play.classList.toggle("sp-on", clock.playing);
    this.loop.setAttribute("aria-pressed", String(clock.loop));
    this.live.hidden = run.done;
    this.live.classList.toggle("sp-on", live);
    this.live.setAttribute("aria-label", live ? "Live: following the newest step" : "Go to the newest step");
  }

  showCaption(words) {
    setText(this.caption, words);
  }

  // Everything that a look may set at once.
  showChoices() {
    const { scope, view, palette, clockName, folded } = this.player;
    this.showScope(scope);
    this.showRule();
    this.showView(view);
    this.palette.value = palette;
    this.fold.checked = folded;
    for (const button of this.clocks.children) button.setAttribute("aria-pressed", String(button.dataset.clock === clockName));
    for (const option of this.speed.options) option.textContent = clockName === "time" ? TIMED[option.value] : `${option.value}/s`;
    this.speed.title = clockName === "time" ? "Measured time, slower or faster" : "Steps per second";
  }

  showScope({ layer, head }) {
    this.layer.value = layer ?? "";
    this.headChoice.value = head ?? "";
    this.layer.classList.toggle("sp-chosen", layer != null);
    this.headChoice.classList.toggle("sp-chosen", head != null);
    this.mean.setAttribute("aria-pressed", String(layer == null && head == null));
  }

  showView(view) {
    for (const button of this.viewButtons) button.setAttribute("aria-pressed", String(button.value === view.name));
    this.explain.textContent = view.explain(this.player.drawing.cached);
  }

  // What follows from the run and the choices. drawing: {scenes, moves, cached}
  showData({ scenes, moves, cached }) {
    const [{ pair, top, palette, parting, comparison }] = scenes;
    this.showLegend(top, palette);
    this.root.querySelector(".sp-key-cached").hidden = !cached;
    this.root.querySelector(".sp-key-away").hidden = !scenes.some(leavesOut);
    this.root.querySelector(".sp-key-differs").hidden = !comparison;
    this.root.querySelector(".sp-key-value").hidden = !scenes.some(({ lane }) => lane.frames.some((frame) => frame.packedValues));
    this.showView(this.player.view);
    this.showMoves(moves.length);
    this.parting.hidden = !parting;
    if (parting) this.parting.textContent = partingWords(pair, parting);
  }

  showMoves(count) {
    this.moves.disabled = !count;
    this.moves.lastElementChild.textContent = count === 1 ? "1 jump" : `${count} jumps`;
  }

  showLegend(top, palette) {
    this.root.querySelector(".sp-gradient").style.background = cssGradient(palette);
    const ticks = legendTicks(top).map((value) => {
      const tick = make("span", tickText(value));
      tick.style.left = `${level(value, top) / 2.55}%`;
      return tick;
    });
    this.root.querySelector(".sp-ticks").replaceChildren(...ticks);
  }
}

const TIMED = { 2: "¼ ×", 4: "½ ×", 8: "1 ×", 16: "2 ×", 32: "4 ×" }; // what a speed is when the clock counts measured time

function chosen(select) {
  return select.value === "" ? null : Number(select.value);
}

function fillOptions(select, entries) {
  select.replaceChildren(...entries.map(([value, text]) => new Option(text, value)));
}
