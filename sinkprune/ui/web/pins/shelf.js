// The pins of a visit, newest first, in this tab's session storage: all that are pinned and the last few others.

import { checkPin } from "./record.js";

export const MAX_PINNED = 24;
export const MAX_OTHERS = 8;
const KEY = "sinkprune-pins";

export class Shelf {
  // storage: such as sessionStorage, or null where the browser refuses it: then pins last until the page is left.
  constructor(storage) {
    this.storage = storage;
    this.pins = this.load();
  }

  load() {
    try {
      return JSON.parse(this.storage?.getItem(KEY) ?? "[]").map(checkPin);
    } catch {
      return [];
    }
  }

  save() {
    try {
      this.storage?.setItem(KEY, JSON.stringify(this.pins));
    } catch {
      this.storage = null; // full or forbidden: what is shown stays
    }
  }

  get pinned() {
    return this.pins.filter((pin) => pin.pinned);
  }

  find(id) {
    return this.pins.find((pin) => pin.id === id);
  }

  // A finished comparison; the same one again changes nothing.
  add(pin) {
    if (this.find(pin.id)) return;
    this.pins.unshift(pin);
    this.trim();
  }

  trim() {
    let others = 0;
    this.pins = this.pins.filter((pin) => pin.pinned || ++others <= MAX_OTHERS);
    this.save();
  }

  setPinned(id, pinned) {
    if (pinned && this.pinned.length >= MAX_PINNED) throw new Error(`${MAX_PINNED} pins are the most: remove one first`);
    this.find(id).pinned = pinned;
    this.trim();
  }

  rename(id, name) {
    this.find(id).name = name.trim().slice(0, 80);
    this.save();
  }

  remove(id) {
    this.pins = this.pins.filter((pin) => pin.id !== id);
    this.save();
  }

  // Imported pins are pinned. Returns how many were new. Throws an Error where there is not room for all of them.
  import(pins) {
    const fresh = pins.filter((pin) => !this.find(pin.id)?.pinned);
    const room = MAX_PINNED - this.pinned.length;
    if (fresh.length > room) throw new Error(`the file has ${fresh.length} new pins, and there is room for ${room}: remove some first`);
    const ids = new Set(fresh.map((pin) => pin.id));
    this.pins = [...fresh.map((pin) => ({ ...pin, pinned: true })), ...this.pins.filter((pin) => !ids.has(pin.id))];
    this.trim();
    return fresh.length;
  }
}
