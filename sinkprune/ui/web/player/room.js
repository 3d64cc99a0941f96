// Gives the rivers the height that the first screen leaves: between the first river's top and the transport, whatever the fonts.
// A player whose rivers start further down the page keeps the height that the style sheet gives.

const SLACK = 16; // pixels between the river and the transport
const LEAST = 150; // pixels; a lower river is read badly
const SOME = 60; // with less than this left, the river is not on the first screen anyway

export class Room {
  constructor(root) {
    this.root = root;
    this.transport = root.querySelector(".sp-transport");
    this.transportHeight = 0; // the most since the window last changed: the caption has more lines at some steps than at others
    const measure = new ResizeObserver(() => this.measure());
    for (const part of [document.body, root, this.transport]) measure.observe(part);
    addEventListener("resize", () => { this.transportHeight = 0; this.measure(); });
    document.fonts?.ready.then(() => this.measure());
  }

  measure() {
    const river = this.root.querySelector(".sp-lanes .sp-river");
    if (!river?.checkVisibility()) return;
    this.transportHeight = Math.max(this.transportHeight, this.transport.offsetHeight);
    const scrolled = this.root.dataset.projector ? this.root.scrollTop : scrollY;
    const left = Math.floor(innerHeight - river.getBoundingClientRect().top - scrolled - this.transportHeight - SLACK);
    this.give(left, Math.ceil(parseFloat(getComputedStyle(this.root.querySelector(".sp-words")).lineHeight)));
  }

  // left: pixels for the river as the page stands; line: of a line of words, of which one goes where the river needs its room.
  give(left, line) {
    const { dataset, style } = this.root;
    const all = dataset.tight ? left - line : left;
    const tight = all < LEAST && all + line >= SOME && !dataset.projector;
    const height = tight ? all + line : all;
    if (tight) dataset.tight = "yes";
    else delete dataset.tight;
    if (height >= SOME) style.setProperty("--sp-left", `${Math.max(LEAST, height)}px`);
    else style.removeProperty("--sp-left");
  }
}
