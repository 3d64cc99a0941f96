// When the visitor has done what a card asks: each function gets the state of the page when the card opened, and now.

import { find } from "./places.js";

export const DONE = [
  (before, now) => now.acted && now.step !== before.step,
  (before, now) => now.acted && now.focus !== "",
  (before, now) => now.acted && now.step !== before.step,
  (before, now) => now.acted,
  (before, now) => now.acted || (before.shown !== undefined && now.shown !== before.shown),
  (before, now) => now.revealed,
  (before, now) => now.acted,
];

// acted: whether the visitor has touched the card's place since it opened. revealed: whether the prediction was made, or there is none.
export function stateOfPage(acted, revealed) {
  const { step, focus } = find("player")?.dataset ?? {};
  return { acted, revealed, step, focus: focus ?? "", shown: find("scope")?.querySelector(".ms")?.dataset.shown };
}
