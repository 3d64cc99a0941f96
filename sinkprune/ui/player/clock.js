// One clock for all lanes: a position in steps that runs, pauses, jumps and loops. Knows nothing of the page.

const HOLD_SECONDS = 1.2; // a looping run rests on its last step

export class Clock {
  constructor() {
    this.position = 0;
    this.last = 0;
    this.playing = false;
    this.speed = 8; // steps per second
    this.loop = false;
    this.rest = 0;
  }

  get step() {
    return Math.min(this.last, Math.round(this.position));
  }

  setLast(last) {
    this.last = Math.max(0, last);
    this.position = Math.min(this.position, this.last);
  }

  seek(step) {
    this.position = Math.min(this.last, Math.max(0, Math.round(step)));
    this.rest = 0;
  }

  play() {
    if (this.step >= this.last) this.seek(0);
    this.playing = this.last > 0;
  }

  pause() {
    this.playing = false;
    this.position = this.step;
  }

  // seconds since the last call, at most a tenth so that a hidden tab does not jump
  advance(seconds) {
    if (!this.playing) return;
    const elapsed = Math.min(seconds, 0.1);
    if (this.position < this.last) {
      this.position = Math.min(this.last, this.position + elapsed * this.speed);
      return;
    }
    this.rest += elapsed;
    if (!this.loop) this.pause();
    else if (this.rest > HOLD_SECONDS) this.seek(0);
  }
}
