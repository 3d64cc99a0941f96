// Buttons, fields and keys of the player. They change the player through its few verbs and show its state.

import { make } from "../shared/dom.js";
import { act } from "./actions.js";
import { MAPS, cssGradient, legendTicks, level, tickText } from "./colour.js";
import { RULES } from "./sinks.js";
import { VIEWS, viewNamed } from "./views.js";
import { partingWords } from "./words.js";

export class Controls {
  constructor(root, player) {
    this.player = player;
    this.root = root;
    const find = (name) => root.querySelector(`.sp-${name}`);
    for (const name of ["range", "count", "live", "speed", "loop", "play", "parting", "layer", "rule", "value", "symbol", "palette", "mean", "moves", "clocks"]) {
      this[name] = find(name);
    }
    this.headChoice = find("head-choice");
    this.valueShown = find("value-shown");
    this.explain = find("explain");
    this.fillFixed();
    this.watchFields();
    this.watchButtons();
    root.addEventListener("keydown", (event) => this.key(event));
  }

  fillFixed() {
    fillOptions(this.rule, Object.entries(RULES).map(([name, rule]) => [name, rule.label]));
    fillOptions(this.palette, MAPS.map((name) => [name, name]));
    this.viewButtons = VIEWS.map(({ name, label }) => Object.assign(make("button", label), { type: "button", value: name }));
    this.root.querySelector(".sp-views").append(...this.viewButtons);
  }

  startRun({ lanes, model: { layers, heads } }) {
    const numbers = (count) => Array.from({ length: count }, (_, index) => [String(index), String(index + 1)]);
    fillOptions(this.layer, [["", "mean"], ...numbers(layers)]);
    fillOptions(this.headChoice, [["", "mean"], ...numbers(heads)]);
    this.clocks.hidden = lanes.length < 2;
  }

  watchFields() {
    const { player } = this;
    this.range.addEventListener("input", () => { player.clock.pause(); player.seek(Number(this.range.value)); });
    this.speed.addEventListener("change", () => player.setSpeed(Number(this.speed.value)));
    this.layer.addEventListener("change", () => player.setScope({ layer: chosen(this.layer) }));
    this.headChoice.addEventListener("change", () => player.setScope({ head: chosen(this.headChoice) }));
    this.rule.addEventListener("change", () => { player.set({ rule: { name: this.rule.value, value: RULES[this.rule.value].value } }); this.showRule(); });
    this.value.addEventListener("input", () => { player.set({ rule: { name: this.rule.value, value: Number(this.value.value) } }); this.showRule(); });
    this.palette.addEventListener("change", () => player.set({ palette: this.palette.value }));
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

  showMoves(count) {
    this.moves.disabled = !count;
    this.moves.lastElementChild.textContent = count === 1 ? "1 move of the lead" : `${count} moves of the lead`;
  }

  // Everything that a scene may set at once.
  showChoices() {
    const { scope, view, palette, clockName } = this.player;
    this.showScope(scope);
    this.showRule();
    this.showView(view);
    this.palette.value = palette;
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
  showData({ scenes: [{ run, top, palette, parting }], moves, cached }) {
    this.showLegend(top, palette, cached);
    this.showView(this.player.view);
    this.showMoves(moves.length);
    this.parting.hidden = !parting;
    if (parting) this.parting.textContent = partingWords(run.lanes, parting);
  }

  showLegend(top, palette, cached) {
    this.root.querySelector(".sp-gradient").style.background = cssGradient(palette);
    this.root.querySelector(".sp-key-cached").hidden = !cached;
    const ticks = legendTicks(top).map((value) => {
      const tick = make("span", tickText(value));
      tick.style.left = `${level(value, top) / 2.55}%`;
      return tick;
    });
    this.root.querySelector(".sp-ticks").replaceChildren(...ticks);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { target, key } = event;
    if (target.matches("select, input:not(.sp-range)")) return;
    const inRange = target.matches(".sp-range");
    const action = KEYS[key];
    if (action && !(inRange && key !== " ") && !(target.matches("button") && key === " ")) {
      act(this.player, action);
      event.preventDefault();
    } else if (/^[0-9]$/.test(key)) {
      this.player.chooseLayer(Number(key) - 1);
      event.preventDefault();
    }
  }
}

const KEYS = {
  " ": "toggle", ArrowLeft: "back", ArrowRight: "forward", Home: "first", End: "last",
  ArrowUp: "tokenBefore", ArrowDown: "tokenAfter", Escape: "release",
  m: "nextMove", M: "moveBefore",
};
const TIMED = { 2: "¼ ×", 4: "½ ×", 8: "1 ×", 16: "2 ×", 32: "4 ×" }; // what a speed is when the clock counts measured time

function chosen(select) {
  return select.value === "" ? null : Number(select.value);
}

function fillOptions(select, entries) {
  select.replaceChildren(...entries.map(([value, text]) => new Option(text, value)));
}
