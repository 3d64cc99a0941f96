// One clock for all lanes: a place on the run's axis (axis.js) that runs, pauses, jumps and loops. Its ticks are the moments at which
// something changes. Knows nothing of the page.

const HOLD_SECONDS = 1.2; // a looping run rests on its last tick

export class Clock {
  constructor() {
    this.position = 0;
    this.last = 0;
    this.marks = null; // places of the ticks, increasing; null: tick i is at i
    this.playing = false;
    this.speed = 8; // places per second
    this.loop = false;
    this.rest = 0;
  }

  placeOf(tick) {
    return this.marks ? this.marks[tick] : tick;
  }

  get end() {
    return this.placeOf(this.last);
  }

  // The tick that is shown, from 0: the nearest one, or with marks the last one that was reached.
  get step() {
    if (!this.marks) return Math.min(this.last, Math.round(this.position));
    let [low, high] = [0, this.last];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.marks[middle] <= this.position + 1e-9) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  setLast(last, marks = null) {
    this.last = Math.max(0, last);
    this.marks = marks?.length ? marks : null;
    this.position = Math.min(this.position, this.end);
  }

  seek(tick) {
    this.position = this.placeOf(Math.min(this.last, Math.max(0, Math.round(tick))));
    this.rest = 0;
  }

  play() {
    if (this.step >= this.last) this.seek(0);
    this.playing = this.last > 0;
  }

  pause() {
    this.playing = false;
    this.position = this.placeOf(this.step);
  }

  // seconds since the last call, at most a tenth so that a hidden tab does not jump
  advance(seconds) {
    if (!this.playing) return;
    const elapsed = Math.min(seconds, 0.1);
    if (this.position < this.end) {
      this.position = Math.min(this.end, this.position + elapsed * this.speed);
      return;
    }
    this.rest += elapsed;
    if (!this.loop) this.pause();
    else if (this.rest > HOLD_SECONDS) this.seek(0);
  }
}
