// What a card speaks of stands out: the rest is dimmed by one frame around it, and the control to press pulses. Nothing is covered.

import { find } from "./places.js";

export class Light {
  constructor(room) {
    this.room = room; // () => pixels at the bottom of the window that the guide takes
    this.frame = document.createElement("div");
    this.frame.className = "gu-light";
    this.frame.hidden = true;
    document.body.append(this.frame);
    this.follow = () => { if (!this.frame.hidden) this.place(); };
    addEventListener("scroll", this.follow, { passive: true, capture: true });
    addEventListener("resize", this.follow);
    setInterval(this.follow, 500); // what loads late moves what is below it
  }

  on(place, press) {
    this.off();
    this.target = find(place);
    if (!this.target) return;
    this.pressed = find(press);
    if (this.pressed !== this.target) this.pressed?.classList.add("gu-pulse");
    this.frame.hidden = false;
    this.scrollThere();
    this.place();
  }

  off() {
    this.frame.hidden = true;
    this.pressed?.classList.remove("gu-pulse");
    this.target = this.pressed = null;
  }

  calm() {
    this.pressed?.classList.remove("gu-pulse");
  }

  scrollThere() {
    const box = this.target.getBoundingClientRect();
    const free = innerHeight - this.room();
    const pressed = this.pressed?.getBoundingClientRect();
    const tall = box.height > free - 24;
    const below = tall && pressed ? Math.max(0, pressed.bottom - box.top - (free - 24)) : 0; // what is to be pressed is in view
    const top = tall ? 12 - below : (free - box.height) / 2;
    scrollBy({ top: box.top - top, behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  }

  place() {
    const box = this.target?.getBoundingClientRect();
    const seen = box && box.width > 0;
    this.frame.style.visibility = seen ? "" : "hidden";
    if (!seen) return;
    Object.assign(this.frame.style, { left: `${box.left - 6}px`, top: `${box.top - 6}px`, width: `${box.width + 12}px`, height: `${box.height + 12}px` });
  }
}
