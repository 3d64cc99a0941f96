// Where the pins meet the page: every value from the server is a finished comparison; buttons here and on its card act on pins.

import { download } from "../shared/download.js";
import { checkPin, readFile, writeFile } from "./record.js";
import { Shelf } from "./shelf.js";
import { listEntry, nameOf, showPair } from "./view.js";

export function mount(element, props, server, watch) {
  const pins = new Pins(element.querySelector(".pn"), props.home);
  watch("value", () => props.value && pins.add(props.value));
  pins.root.dataset.ready = "true";
}

class Pins {
  constructor(root, home) {
    this.root = root;
    this.home = home || location.origin + location.pathname;
    this.shelf = new Shelf(storage());
    this.find = (name) => root.querySelector(`.pn-${name}`);
    // The buttons on the card of the newest result stand elsewhere on the page.
    document.addEventListener("click", (event) => this.click(event));
    root.addEventListener("change", (event) => this.change(event));
    this.draw();
  }

  add(value) {
    this.latest = value.id;
    this.shelf.add(checkPin({ ...value, when: new Date().toISOString() }));
    this.draw();
  }

  async click(event) {
    const pressed = event.target.closest("button[data-do]");
    const onCard = pressed?.closest(".card-actions");
    if (!pressed || !(onCard || this.root.contains(pressed))) return;
    const said = onCard?.querySelector("[role=status]") ?? this.find("said");
    try {
      said.textContent = await this.act(pressed.dataset.do, this.shelf.find(pressed.dataset.pin ?? this.latest));
    } catch (error) {
      said.textContent = error.message;
    }
    if (pressed.dataset.do === "pin" || pressed.dataset.do === "remove") this.draw(pressed.dataset);
  }

  // Does what a button says and returns what to say about it.
  act(what, pin) {
    if (what === "export") return this.export();
    if (!pin) throw new Error("This result is no longer in the list.");
    const link = this.home + pin.query;
    if (what === "link") return this.copy(link, "The link is copied: it runs this comparison again.");
    if (what === "markdown") return this.copy(`${pin.markdown}\nRun it again: <${link}>\n`, "The card is copied as Markdown.");
    if (what === "bibtex") return this.copy(`${pin.bibtex}% link: ${link}\n`, "The citation and all settings are copied.");
    if (what === "remove") this.shelf.remove(pin.id);
    if (what === "pin") this.shelf.setPinned(pin.id, !pin.pinned);
    return { remove: "Removed.", pin: pin.pinned ? "Pinned: it stays for this visit, and can be named below." : "No longer pinned." }[what];
  }

  // A page inside another one may not use the clipboard: then the text is shown, selected.
  async copy(text, said) {
    const shown = this.find("text");
    shown.hidden = true;
    try {
      await navigator.clipboard.writeText(text);
      return said;
    } catch {
      shown.value = text;
      shown.hidden = false;
      shown.focus();
      shown.select();
      return "This browser does not let the page copy: the text is selected, copy it by hand.";
    }
  }

  export() {
    const { pinned } = this.shelf;
    if (!pinned.length) throw new Error("Nothing is pinned yet.");
    download(new Blob([writeFile(pinned)], { type: "application/json" }), "sinkprune-pins.json");
    return pinned.length === 1 ? "1 pin is exported." : `${pinned.length} pins are exported.`;
  }

  async change(event) {
    const { target } = event;
    if (target.matches(".pn-name")) {
      this.shelf.rename(target.dataset.pin, target.value);
      this.drawPair();
    } else if (target.matches("select")) this.drawPair();
    else if (target.matches("input[type=file]")) await this.import(target);
  }

  async import(field) {
    const [file] = field.files;
    field.value = "";
    if (!file) return;
    try {
      const fresh = this.shelf.import(readFile(await file.text()));
      this.find("said").textContent = fresh === 1 ? "1 pin is imported." : `${fresh} pins are imported.`;
      this.draw();
    } catch (error) {
      this.find("said").textContent = `Nothing is imported: ${error.message}.`;
    }
  }

  // focus: {do, pin} of the button that was pressed, which is a new one now
  draw(focus) {
    const { pins } = this.shelf;
    this.find("empty").hidden = pins.length > 0;
    this.find("list").replaceChildren(...pins.map(listEntry));
    if (focus?.pin) this.root.querySelector(`[data-do="${focus.do}"][data-pin="${CSS.escape(focus.pin)}"]`)?.focus();
    this.drawPair();
  }

  drawPair() {
    const { pins } = this.shelf;
    this.find("compare").hidden = pins.length < 2;
    if (pins.length < 2) return;
    const chosen = ["a", "b"].map((side, index) => {
      const select = this.find(side);
      const kept = this.shelf.find(select.value) ? select.value : pins[index].id;
      select.replaceChildren(...pins.map((pin) => new Option(label(pin), pin.id)));
      select.value = kept;
      return this.shelf.find(kept);
    });
    showPair(this.find("compare"), ...chosen);
  }
}

function label(pin) {
  const prompt = pin.prompt.length > 40 ? `${pin.prompt.slice(0, 40)}…` : pin.prompt;
  return `${nameOf(pin)} · ${prompt}`;
}

function storage() {
  try {
    return sessionStorage;
  } catch {
    return null;
  }
}
