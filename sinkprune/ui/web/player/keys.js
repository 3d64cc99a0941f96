// The keyboard: keys pressed inside the player, and Space where nothing else on the page has the focus.

import { act } from "./actions.js";

const KEYS = {
  " ": "toggle", ArrowLeft: "back", ArrowRight: "forward", Home: "first", End: "last",
  ArrowUp: "tokenBefore", ArrowDown: "tokenAfter", Escape: "release",
  m: "nextMove", M: "moveBefore", p: "projector",
};

export function watchKeys(player) {
  player.root.addEventListener("keydown", (event) => press(event, player));
  document.addEventListener("keydown", (event) => {
    if (event.key !== " " || event.target !== document.body || !player.root.isConnected || !onScreen(player.root)) return;
    act(player, "toggle");
    event.preventDefault();
  });
}

// Of several players on a page, Space is for the one that somebody sees.
function onScreen(root) {
  if (!root.checkVisibility()) return false;
  const { top, bottom } = root.getBoundingClientRect();
  return bottom > 0 && top < innerHeight;
}

function press(event, player) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const { target, key } = event;
  if (key === "Escape" && player.root.querySelector(":popover-open")) return; // the browser closes it
  if (target.matches("select, input:not(.sp-range)")) return;
  const action = KEYS[key];
  const moves = target.matches(".sp-range, .sp-words, .sp-prompt") && key !== " " && !/^[a-z]$/i.test(key) && key !== "Escape"; // these have arrows of their own
  const presses = key === " " && target.matches("button, summary");
  if (action && !moves && !presses) act(player, action);
  else if (/^[0-9]$/.test(key)) player.chooseLayer(Number(key) - 1);
  else return;
  event.preventDefault();
}
