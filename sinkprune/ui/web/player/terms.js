// Terms of the field that the player shows, each with one sentence. CSS shows the sentence on hover, focus and touch.

import { make } from "../shared/dom.js";

const TERMS = {
  sink: "A sink receives far more attention than the other tokens. The strongest of them has this mark everywhere.",
  run: "One model run reads the whole text once and fills in some of its masks.",
  variance: "How far the centre of the sinks travels over the whole run, in tokens squared; 0 if they stay.",
  answer: "The start-of-answer mark stands where the prompt ends and the answer begins.",
};

// Gives an element that names a term its sentence.
export function explainTerm(element, name) {
  element.dataset.definition = TERMS[name];
  element.setAttribute("aria-description", TERMS[name]);
  element.tabIndex = 0;
  return element;
}

export function term(text, name) {
  return explainTerm(make("span", text, "sp-term"), name);
}
