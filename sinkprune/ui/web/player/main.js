// Where the page's component meets the player: shows every value it gets, and says in words when something fails.
// server: null in a saved page, which has no links either. trigger: sends an event of the component to the page; a touched token is a "submit".

import { Player } from "./player.js";
import { Share } from "./share.js";

// What a saved page answers, where nobody computes.
const ALONE = {
  attention_map: () => ({ error: "Maps of token to token are not part of a saved page." }),
  heads: () => ({ error: "These heads are not part of the saved page." }),
};

export async function mount(element, props, server, watch, trigger) {
  const root = element.querySelector(".sp-player");
  const body = root.querySelector(".sp-body");
  const message = root.querySelector(".sp-message");
  let player = null;
  const fail = (error) => {
    console.error(error);
    player?.clock.pause();
    root.dataset.error = String(error.message ?? error);
    message.textContent = `The player stopped: ${root.dataset.error}. Reload the page or start another run.`;
    message.hidden = false;
  };
  await styled(element.querySelector("link"));
  const update = () => {
    try {
      const trace = props.value;
      body.hidden = !trace;
      message.hidden = Boolean(trace);
      message.textContent = props.empty;
      delete root.dataset.error;
      if (!trace) {
        player?.clock.pause();
        return;
      }
      player ??= start(root, props, server, fail, trigger);
      player.show(trace);
    } catch (error) {
      fail(error);
    }
  };
  watch("value", update);
  update();
  root.dataset.ready = "true";
}

function start(root, { home, touchable }, server, fail, trigger) {
  const player = new Player(root, server ?? ALONE, fail);
  player.share = new Share(root, player, server ? home || location.origin + location.pathname : null);
  player.touch = touchable && server ? (edit) => trigger("submit", edit) : null;
  return player;
}

function styled(link) {
  if (!link || link.sheet) return Promise.resolve();
  return new Promise((done) => {
    link.addEventListener("load", done);
    link.addEventListener("error", done);
  });
}
