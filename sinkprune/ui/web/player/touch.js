// A token of a lane: what else the model had in mind there, and what a visitor puts there instead. The page then goes on from this step.

import { make } from "../shared/dom.js";
import { percent } from "../shared/numbers.js";
import { tokenState } from "./trace.js";
import { quoted } from "./words.js";

const BROKEN = "\ufffd"; // a part of a character: no text that could be put there

export class Touch {
  // root: of the lane
  constructor(root) {
    this.guesses = root.querySelector(".sp-guesses");
    this.form = root.querySelector(".sp-touch");
    this.mask = root.querySelector(".sp-touch-mask");
    this.word = root.querySelector(".sp-touch-word");
    this.mask.addEventListener("click", () => this.put(null));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.word.value.trim()) this.put(wordToken(this.word.value, this.place));
    });
  }

  // Once: the page is then busy with it. Whoever lets go of the token and takes another may try again, after a refusal too.
  put(token) {
    if (!this.place) return;
    const { laneIndex, step, position, send } = this.place;
    this.sent = this.key;
    this.place = null;
    this.form.hidden = true;
    send({ lane: laneIndex, after: step + 1, position, token });
  }

  // player: {touch: sends an edit to the page, or null; focus}
  show({ run, lane, laneIndex, focus }, step, { touch, focus: { locked } }) {
    const frame = lane.frames[step];
    const best = focus == null ? [] : (frame.candidates.get(focus) ?? []);
    const state = focus == null ? "" : tokenState(lane, focus, step);
    this.key = `${step}/${focus}`;
    if (this.key !== this.sent) this.sent = null;
    const open = touch && !this.sent && run.done && locked != null && state && state !== "absent" && lane.born[focus] !== -1;
    this.place = open ? { laneIndex, step, position: focus, send: touch, first: focus === lane.promptLength } : null;
    this.form.hidden = !open;
    this.mask.hidden = state === "masked" || lane.kind === "ar";
    this.guesses.hidden = !lane.frames.some(({ candidates }) => candidates.size);
    this.showGuesses(best, open ? this.key : "");
  }

  // key: "" where they are only to be read
  showGuesses(best, key) {
    const shown = `${key}/${JSON.stringify(best)}`;
    if (this.shown === shown) return;
    this.shown = shown;
    const parts = best.map(([text, probability]) => {
      const words = `${quoted(text)} ${percent(probability)}`;
      if (!key || text.includes(BROKEN) || text === "") return make("span", words);
      const button = Object.assign(make("button", words), { type: "button", title: "Put it there and go on" });
      button.addEventListener("click", () => this.put(text));
      return button;
    });
    if (parts.length) parts.unshift(make("span", "likeliest here:"));
    this.guesses.replaceChildren(...parts);
  }
}

// A typed word inside a text has a space before it, as the tokens of most models do; a mark or a word after a space typed has none.
function wordToken(typed, { first }) {
  const word = typed.trimEnd();
  return !first && /^[\p{L}\p{N}]/u.test(word) ? ` ${word}` : word;
}
