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
    this.cancel = this.menu.querySelector("[data-save=cancel]");
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
    if (what === "cancel") this.cancelled = true;
    if (what === "cancel" || !this.player.run?.steps) return;
    this.cancelled = false;
    this.busy(true);
    try {
      await this[what]();
    } catch (error) {
      if (!this.cancelled) console.warn(error);
      this.say(this.cancelled ? "Cancelled: nothing is saved." : `That did not work: ${error.message ?? error}`);
    }
    this.busy(false);
  }

  busy(busy) {
    for (const button of this.buttons) button.disabled = busy;
    this.cancel.disabled = false;
    this.cancel.hidden = !busy;
  }

  // Says how far a long saving is; ends it where the visitor has pressed Cancel.
  step(words) {
    if (this.cancelled) throw new Error("cancelled");
    this.say(words);
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
    const { canvas } = this.whileSaving(() => drawPicture(this.player, this.caption()));
    const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
    this.keep(blob, "png", "The picture is saved.");
  }

  async film() {
    const { player } = this;
    const { clock } = player;
    clock.pause();
    const steps = player.everyStep();
    for (const name of player.view.wants) {
      await player.sources[name].loadAll(steps, (index) => this.step(`Fetching ${name}: ${index + 1} of ${steps.length}.`));
    }
    const before = clock.step;
    const { canvas, repaint } = this.whileSaving(() => drawPicture(player, this.caption(), 1));
    const frames = Array.from({ length: clock.last + 1 }, (_, tick) => ({
      show: () => { player.seek(tick); player.drawing.draw(); this.whileSaving(repaint); },
      milliseconds: (1000 * (clock.placeOf(Math.min(tick + 1, clock.last)) - clock.placeOf(tick))) / clock.speed,
    }));
    try {
      const blob = await recordFilm(canvas, frames, (index) => this.step(`Recording ${index + 1} of ${frames.length}, as fast as it plays.`));
      this.keep(blob, blob.type.endsWith("mp4") ? "mp4" : "webm", "The film is saved.");
    } finally {
      player.seek(before);
    }
  }

  // The page as pictures show it: the whole text, no hints. The browser never gets to show it like that.
  whileSaving(draw) {
    const { root } = this.player;
    root.dataset.saving = "yes";
    const drawn = draw();
    delete root.dataset.saving;
    return drawn;
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
    const { run, clock, sources } = this.player;
    await sources.heads.loadAll(this.player.everyStep(), () => this.step("Fetching every layer and head."));
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
