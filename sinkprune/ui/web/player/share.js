// The menu "Share and save": a link to what is shown, and files of it.

import { download } from "../shared/download.js";
import { filmType, recordFilm } from "./film.js";
import { drawPicture } from "./picture.js";
import { origin, standalonePage, wholeTrace } from "./saving.js";
import { lookLink, lookOf } from "./look.js";

export class Share {
  // home: the address that links start with; null where the player stands alone, without a page to link to
  constructor(root, player, home) {
    this.player = player;
    this.home = home;
    this.menu = root.querySelector(".sp-share");
    for (const name of ["link", "address", "said"]) this[name] = root.querySelector(`.sp-share-${name}`);
    this.buttons = [...this.menu.querySelectorAll("[data-save]")];
    this.menu.querySelector("[data-save=page]").hidden = home == null;
    this.menu.querySelector("[data-save=film]").hidden = !filmType();
    this.menu.addEventListener("toggle", () => this.showLink());
    this.menu.addEventListener("click", ({ target }) => {
      const what = target.closest("[data-save]")?.dataset.save;
      if (what) this.save(what);
    });
    this.address.addEventListener("focus", () => this.address.select());
  }

  // Kept up to date only while somebody sees it.
  showLink() {
    if (!this.menu.open) return;
    const { run } = this.player;
    this.link.hidden = this.home == null || !run?.query;
    if (!this.link.hidden) this.address.value = lookLink(this.home, run.query, lookOf(this.player));
  }

  async save(what) {
    if (!this.player.run?.steps) return;
    for (const button of this.buttons) button.disabled = true;
    try {
      await this[what]();
    } catch (error) {
      console.warn(error);
      this.say(`That did not work: ${error.message ?? error}`);
    }
    for (const button of this.buttons) button.disabled = false;
  }

  async copy() {
    this.showLink();
    try {
      await navigator.clipboard.writeText(this.address.value);
      this.say("The link is copied.");
    } catch {
      this.address.select();
      this.say("This browser keeps the clipboard closed: copy the selected link.");
    }
  }

  async picture() {
    this.player.clock.pause();
    const { canvas } = drawPicture(this.player, this.caption());
    const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
    this.keep(blob, "png", "The picture is saved.");
  }

  async film() {
    const { player } = this;
    const { clock } = player;
    clock.pause();
    const steps = player.everyStep();
    for (const name of player.view.wants) {
      await player.sources[name].loadAll(steps, (index) => this.say(`Fetching ${name}: ${index + 1} of ${steps.length}.`));
    }
    const before = clock.step;
    const { canvas, repaint } = drawPicture(player, this.caption(), 1);
    const frames = Array.from({ length: clock.last + 1 }, (_, tick) => ({
      show: () => { player.seek(tick); player.drawing.draw(); repaint(); },
      milliseconds: (1000 * (clock.placeOf(Math.min(tick + 1, clock.last)) - clock.placeOf(tick))) / clock.speed,
    }));
    const blob = await recordFilm(canvas, frames, (index) => this.say(`Recording ${index + 1} of ${frames.length}, as fast as it plays.`));
    player.seek(before);
    this.keep(blob, blob.type.endsWith("mp4") ? "mp4" : "webm", "The film is saved.");
  }

  async data() {
    const text = JSON.stringify(await this.whole());
    this.keep(new Blob([text], { type: "application/json" }), "json", "The data are saved: sinkprune opens them again.");
  }

  async page() {
    const text = await standalonePage(await this.whole());
    this.keep(new Blob([text], { type: "text/html" }), "html", "The page is saved: it plays without a connection.");
  }

  async whole() {
    this.say("Fetching every layer and head.");
    const { run, clock, sources } = this.player;
    await sources.heads.loadAll(this.player.everyStep());
    const look = lookOf(this.player);
    if (clock.step === 0 || clock.step === clock.last) look.step = null; // opened again, it plays from the start
    return wholeTrace(run, look);
  }

  caption() {
    const { run } = this.player;
    return `sinkprune · “${run.prompt}” · ${origin(run.trace)}`;
  }

  keep(blob, ending, words) {
    download(blob, `${fileName(this.player.run.prompt)}.${ending}`);
    this.say(`${words} (${size(blob.size)})`);
  }

  say(words) {
    this.said.textContent = words;
  }
}

function fileName(prompt) {
  const words = prompt.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  return ["sinkprune", ...words].join("-").slice(0, 60);
}

function size(bytes) {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
