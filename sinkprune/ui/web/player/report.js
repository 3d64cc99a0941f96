// What the player tells those who do not look at its pictures: its state on the element, its verdict to a screen reader.

const SPOKEN_EVERY_MS = 2500; // while playing

export function publish({ root, run, clock, axis, live, view, scope, focus }, leader) {
  const state = {
    run: run.id, step: clock.step, frames: run.steps, playing: clock.playing, live: Boolean(live), clock: axis.clock, view,
    layer: scope.layer ?? "mean", focus: focus.current ?? "", leader,
  };
  for (const [name, value] of Object.entries(state)) if (root.dataset[name] !== String(value)) root.dataset[name] = value;
}

export class Speaker {
  constructor(element) {
    this.element = element;
    this.spokenAt = -Infinity;
  }

  speak(views, playing) {
    const now = performance.now();
    if (playing && now - this.spokenAt < SPOKEN_EVERY_MS) return;
    const text = views.map((view) => (views.length > 1 ? `${view.title.textContent}. ` : "") + view.verdict.textContent).join(". ");
    if (this.element.textContent === text) return;
    this.element.textContent = text;
    this.spokenAt = now;
  }
}
