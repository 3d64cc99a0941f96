// What the player tells those who do not look at its pictures: its state on the element, its verdict to a screen reader.

const SPOKEN_EVERY_MS = 2500; // while playing

export function publish(player) {
  const { root, run, clock, axis, live, view, scope, focus, scenes } = player;
  const state = {
    run: run.id, step: clock.step, frames: run.steps, playing: clock.playing, live: Boolean(live), clock: axis.clock, view: view.name,
    layer: scope.layer ?? "mean", focus: focus.current ?? "", leader: scenes[0].track.leaders[player.stepOf(scenes[0])] ?? -1,
  };
  for (const [name, value] of Object.entries(state)) if (root.dataset[name] !== String(value)) root.dataset[name] = value;
}

export class Speaker {
  constructor(element) {
    this.element = element;
    this.spokenAt = -Infinity;
  }

  speak({ laneViews, clock, controls }) {
    const now = performance.now();
    if (clock.playing && now - this.spokenAt < SPOKEN_EVERY_MS) return;
    const named = (laneView) => (laneViews.length > 1 ? `${laneView.title.textContent}. ` : "");
    const verdicts = laneViews.map((laneView) => `${named(laneView)}${laneView.verdict.textContent}.`);
    const text = [controls.caption.textContent, ...verdicts].join(" ");
    if (this.element.textContent === text) return;
    this.element.textContent = text;
    this.spokenAt = now;
  }
}
