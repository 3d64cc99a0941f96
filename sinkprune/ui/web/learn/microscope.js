// The microscope: one pruning decision from the attention of a token to the weight that goes. Values: sinkprune/lab/microscope.py.
// Hovering shows what a number came from, a click keeps it; one cell or token is chosen at a time.

import { linkTerms } from "./glossary.js";
import { drawGrids, lightGrids } from "./microscope_grid.js";
import { drawTokens, lightTokens } from "./microscope_tokens.js";
import { aboutWords, sumWords, tokenWords, weightWords } from "./microscope_words.js";

export function mount(element, props, watch) {
  const view = new Microscope(element.querySelector(".ms"), props);
  const update = () => view.show(props.value);
  watch("value", update);
  update();
}

class Microscope {
  constructor(root, props) {
    this.root = root;
    this.level = 4;
    this.hovered = this.locked = null; // {token} or {row, column}
    linkTerms(root, props.glossary);
    const slider = this.find(".ms-level input");
    slider.addEventListener("input", () => { this.level = Number(slider.value); this.drawTokens(); this.light(); });
    const [tokens, patch] = root.querySelectorAll(".ms-scroll");
    this.watchPointer();
    tokens.addEventListener("keydown", (event) => this.onKey(event, (by) => this.moveToken(by)));
    patch.addEventListener("keydown", (event) => this.onKey(event, (by, down) => this.moveWeight(by, down)));
  }

  show(value) {
    this.find(".ms-body").hidden = !value;
    this.find(".ms-message").textContent = value ? "" : "Nothing was recorded for this model yet. Press the button above to look at your prompt.";
    if (!value) return;
    this.value = { ...value, shares: sharesOf(value) };
    this.hovered = null;
    this.locked = { row: Math.max(0, value.rows.indexOf(value.row)), column: firstFlip(value) };
    this.find(".ms-about").textContent = aboutWords(value);
    this.find(".ms-sum").textContent = sumWords(value);
    drawGrids(this.root, this.value);
    this.drawTokens();
    this.light();
    this.root.dataset.shown = `${value.layer}.${value.linear}.${value.row}.${value.source}.${value.prompt}`;
  }

  drawTokens() {
    this.find(".ms-level output").textContent = `${Math.round(100 * this.value.levels[this.level])} %`;
    drawTokens(this.find(".ms-tokens"), this.value, this.level);
  }

  // The chosen thing is marked, and everything it was computed from is lit.
  light() {
    const chosen = this.hovered ?? this.locked;
    lightTokens(this.root, this.value, this.level, chosen);
    lightGrids(this.root, this.value, this.level, chosen);
    const trace = this.find(".ms-trace");
    trace.textContent = chosen.token == null ? weightWords(this.value, this.level, chosen) : tokenWords(this.value, this.level, chosen.token);
    this.root.dataset.chosen = chosen.token == null ? `${chosen.row},${chosen.column}` : `token ${chosen.token}`;
  }

  watchPointer() {
    const at = ({ target }) => {
      const token = target.closest(".ms-token");
      if (token) return { token: Number(token.dataset.token) };
      const cell = target.closest(".ms-grid .ms-cell");
      return cell ? { row: Number(cell.dataset.row), column: Number(cell.dataset.column) } : null;
    };
    this.root.addEventListener("pointerover", (event) => {
      if (event.pointerType === "touch" || !this.value) return;
      this.hovered = at(event);
      this.light();
    });
    this.root.addEventListener("pointerleave", () => { this.hovered = null; if (this.value) this.light(); });
    this.root.addEventListener("click", (event) => {
      const chosen = at(event);
      if (!chosen) return;
      this.locked = chosen;
      this.hovered = null;
      this.light();
    });
  }

  onKey(event, move) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key] ?? 0;
    const down = { ArrowUp: -1, ArrowDown: 1 }[event.key] ?? 0;
    if (!by && !down) return;
    event.preventDefault();
    this.hovered = null;
    move(by, down);
    this.light();
  }

  moveToken(by) {
    const { length } = this.value.tokens;
    const from = this.locked.token ?? (by > 0 ? -1 : 0);
    this.locked = { token: (from + by + length) % length };
    this.root.querySelector(`.ms-token[data-token="${this.locked.token}"]`).scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  moveWeight(by, down) {
    const { rows, columns } = this.value;
    const { row = 0, column = 0 } = this.locked;
    const clamp = (number, end) => Math.min(end - 1, Math.max(0, number));
    this.locked = { row: clamp(row + down, rows.length), column: clamp(column + by, columns.length) };
  }

  find(selector) {
    return this.root.querySelector(selector);
  }
}

// (level, token, column) -> share of the token in the input's squared norm, without omega
function sharesOf({ shares, tokens, columns }) {
  const bytes = Uint8Array.from(atob(shares), (letter) => letter.charCodeAt(0));
  const [length, width] = [tokens.length, columns.length];
  return (level, token, column) => (bytes[(level * length + token) * width + column] / 255) ** 2;
}

// The first decision of the chosen row that flips, else its first input.
function firstFlip({ rows, row, goes, goesPlain }) {
  const at = Math.max(0, rows.indexOf(row));
  return Math.max(0, [...goes[at]].findIndex((digit, column) => digit !== goesPlain[at][column]));
}
