// Where the page's component meets the player: shows every value it gets, and says in words when something fails.

import { Player } from "./player.js";

export async function mount(element, props, server, watch) {
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
      player ??= new Player(root, server, fail);
      player.show(trace);
    } catch (error) {
      fail(error);
    }
  };
  watch("value", update);
  update();
  root.dataset.ready = "true";
}

function styled(link) {
  if (!link || link.sheet) return Promise.resolve();
  return new Promise((done) => {
    link.addEventListener("load", done);
    link.addEventListener("error", done);
  });
}
