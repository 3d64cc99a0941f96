// The whole canvas as text: one chip per token. Only chips whose look changed are touched; texts are set as text, never as HTML.

import { chipDifference } from "./parting.js";
import { tokenState } from "./trace.js";
import { chipText, isSpecial } from "./words.js";

export class Chips {
  constructor(container) {
    this.container = container;
    this.chips = [];
  }

  positionOf(target) {
    const chip = target.closest?.(".sp-chip");
    return chip && this.container.contains(chip) ? Number(chip.dataset.position) : null;
  }

  // Fresh chips for a lane of a new run.
  build(lane) {
    this.looks = new Array(lane.length).fill("");
    this.chips = Array.from({ length: lane.length }, (_, position) => {
      const chip = document.createElement("span");
      chip.className = "sp-chip";
      chip.dataset.position = position;
      return chip;
    });
    this.focused = null;
    const [prompt, answer] = [document.createElement("div"), document.createElement("div")];
    prompt.className = "sp-prompt";
    prompt.append(...this.chips.slice(0, lane.promptLength));
    answer.append(...this.chips.slice(lane.promptLength));
    this.container.replaceChildren(prompt, answer);
  }

  showStep({ run, lane, track, comparison }, step) {
    const sinks = track.sinks[step];
    const { confidence } = lane.frames[step];
    for (let position = 0; position < lane.length; position++) {
      const state = tokenState(lane, position, step);
      const sink = sinks[0] === position ? "leader" : sinks.includes(position) ? "sink" : "";
      const difference = comparison ? chipDifference(run.lanes, position, step) : "";
      const sure = state === "masked" ? confidence[position] / 254 : lane.certainty[position];
      const fill = state === "prompt" || sure > 1 ? 0 : Math.round(20 * (sure || 0)) * 5;
      const never = state === "absent" && lane.done && lane.ids[position] < 0; // the lane ended before it came here
      const look = `${state}/${sink}/${difference}/${fill}/${lane.ids[position]}/${never}`;
      if (look === this.looks[position]) continue;
      this.looks[position] = look;
      this.dress(this.chips[position], lane.texts[position], { state, sink, difference, fill, never, first: position === 0 });
    }
  }

  dress(chip, text, { state, sink, difference, fill, never, first }) {
    chip.hidden = never;
    const hidden = state === "masked" || state === "absent";
    const shown = hidden ? "" : chipText(text, { oneLine: state === "prompt", first });
    if (chip.textContent !== shown) chip.textContent = shown;
    // A mask keeps the width of the word it will become, so that the text does not jump.
    if (hidden) chip.dataset.ghost = text === "" ? "mask" : chipText(text, { oneLine: true, first });
    else delete chip.dataset.ghost;
    Object.assign(chip.dataset, { state, sink, difference });
    chip.classList.toggle("sp-special", text !== "" && isSpecial(text));
    chip.style.setProperty("--sp-sure", fill / 100);
  }

  showFocus(position) {
    if (this.focused === position) return;
    if (this.focused != null) this.chips[this.focused]?.classList.remove("sp-focused");
    if (position != null) this.chips[position]?.classList.add("sp-focused");
    this.focused = position;
  }
}
