// One focused token for all views: hovering shows, a click locks, a second click on the same token lets go.
// Positions are those of the first lane; behind a begin token the same token stands `shift` positions later.

export class Focus {
  constructor(changed = () => {}) {
    this.hovered = null;
    this.locked = null;
    this.changed = changed;
  }

  get current() {
    return this.hovered ?? this.locked;
  }

  // The focused token's position in a lane, null where that lane has no such token.
  in({ shift, length }) {
    const position = this.current == null ? -1 : this.current + shift;
    return position >= 0 && position < length ? position : null;
  }

  hover(position) {
    if (this.hovered === position) return;
    this.hovered = position;
    this.changed();
  }

  lock(position) {
    this.locked = this.locked === position ? null : position;
    this.changed();
  }

  // For the keyboard: the next or previous token, starting from `start` when none is in focus.
  move(by, length, start) {
    const from = this.current ?? start - by;
    this.hovered = null;
    this.locked = Math.min(length - 1, Math.max(0, from + by));
    this.changed();
  }

  clear() {
    this.hovered = this.locked = null;
    this.changed();
  }
}
