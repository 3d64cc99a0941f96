// What all canvases share: crisp sizes, one vertical token axis, ticks and the focus band.

import { rowOf } from "./rows.js";

export const PAD = { top: 12, bottom: 26, left: 40 };

// A canvas that knows its size in CSS pixels. `resize` is the only place that reads the layout.
export class Sheet {
  constructor(canvas) {
    this.canvas = canvas;
    this.width = this.height = 0;
  }

  resize() {
    const box = this.canvas.getBoundingClientRect();
    const ratio = window.devicePixelRatio || 1;
    this.width = Math.round(box.width);
    this.height = Math.round(box.height);
    const [wide, high] = [Math.round(box.width * ratio), Math.round(box.height * ratio)];
    if (this.canvas.width !== wide) this.canvas.width = wide;
    if (this.canvas.height !== high) this.canvas.height = high;
  }

  // The context, cleared and scaled to CSS pixels; null while the canvas has no size (a hidden tab).
  begin() {
    if (!this.width || !this.height) return null;
    const context = this.canvas.getContext("2d");
    context.setTransform(this.canvas.width / this.width, 0, 0, this.canvas.height / this.height, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    context.imageSmoothingEnabled = false;
    return context;
  }

  // Text is slow to draw: what only changes with `key` (or the size) is painted once, beside, and copied from there.
  still(context, key, paint) {
    const { width, height } = this.canvas;
    const whole = `${key}/${width}/${height}`;
    if (this.stillKey !== whole) {
      this.stillKey = whole;
      this.stillCanvas = Object.assign(document.createElement("canvas"), { width, height });
      const beside = this.stillCanvas.getContext("2d");
      beside.setTransform(context.getTransform());
      paint(beside);
    }
    context.drawImage(this.stillCanvas, 0, 0, this.width, this.height);
  }

  get plotHeight() {
    return this.height - PAD.top - PAD.bottom;
  }
}

// A small image of cells that is scaled up when it is drawn.
export class Cells {
  constructor() {
    this.canvas = document.createElement("canvas");
  }

  start(width, height) {
    if (!this.image || this.image.width !== width || this.image.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
      this.image = new ImageData(width, height);
      this.pixels = new Uint32Array(this.image.data.buffer);
    }
    this.pixels.fill(0);
    return this.pixels;
  }

  finish() {
    this.canvas.getContext("2d").putImageData(this.image, 0, 0);
  }
}

// The upper border of a position's row.
export function rowTop(position, rows, sheet) {
  const row = rows.fold == null ? position : Math.min(position, rows.fold + 1);
  return PAD.top + (row / rows.count) * sheet.plotHeight;
}

export function rowMiddle(position, rows, sheet) {
  return PAD.top + ((rowOf(position, rows) + 0.5) / rows.count) * sheet.plotHeight;
}

// The position at a height, null outside.
export function rowAt(y, rows, sheet) {
  const row = Math.floor(((y - PAD.top) / sheet.plotHeight) * rows.count);
  return row >= 0 && row <= (rows.fold ?? rows.count - 1) ? row : null;
}

// Tick distance 1, 2, 5, 10 … so that at most `room` ticks fit.
export function tickStep(count, room) {
  for (let base = 1; ; base *= 10) {
    for (const factor of [1, 2, 5]) if (count / (base * factor) <= room) return base * factor;
  }
}

export function label(context, text, x, y, theme, { align = "left", colour = theme.muted, size = 11, weight = 400 } = {}) {
  context.font = `${weight} ${size}px ${theme.font}`;
  context.textAlign = align;
  context.textBaseline = "middle";
  context.fillStyle = colour;
  context.fillText(text, x, y);
}

// A line that stays visible on any colour: a dark casing below a bright core.
export function casedLine(context, draw, core, width, casing) {
  for (const [style, thick] of [[casing, width + 2], [core, width]]) {
    context.strokeStyle = style;
    context.lineWidth = thick;
    context.beginPath();
    draw(context);
    context.stroke();
  }
}

// Two thin lines around the focused token's row, the same in every view.
export function focusBand(context, position, rows, sheet, left, right, theme) {
  if (position == null || rowOf(position, rows) >= rows.count) return;
  const centre = rowMiddle(position, rows, sheet);
  const half = Math.max(3, sheet.plotHeight / rows.count / 2 + 1);
  casedLine(context, (c) => c.rect(left + 0.5, centre - half, right - left - 1, 2 * half), theme.focus, 1.25, theme.casing);
}

// ◀ at the strongest sink, ◁ at the others: filled and hollow as above the words.
export function sinkArrow(context, x, y, leading, theme) {
  const size = leading ? 4.5 : 3.2;
  context.fillStyle = context.strokeStyle = theme.accent;
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(x + 1.6 * size, y - size);
  context.lineTo(x + 1.6 * size, y + size);
  context.closePath();
  if (leading) context.fill();
  else context.stroke();
}

// ◀ beside the rows that are sinks, the strongest first in `sinks`.
export function sinkArrows(context, sinks, rows, sheet, x, theme) {
  sinks.forEach((position, rank) => sinkArrow(context, x, rowMiddle(position, rows, sheet), rank === 0, theme));
}

export function readTheme(element) {
  const style = getComputedStyle(element);
  const read = (name) => style.getPropertyValue(name).trim();
  return {
    ink: read("--sp-ink"), muted: read("--sp-muted"), line: read("--sp-line"), accent: read("--sp-accent"),
    surface: read("--sp-surface"), veil: read("--sp-veil"), bar: read("--sp-bar"), value: read("--sp-value"), tint: read("--sp-tint"), faint: read("--sp-faint"), river: "#ff6a45", focus: "#ffffff", casing: "rgba(0, 0, 0, 0.72)", font: style.fontFamily,
  };
}
