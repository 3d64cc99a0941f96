// The river: x = step or time (axis.js), y = token, colour = attention received. It is also the scrubber.
// The picture is drawn when data change; the overlay (playhead, focus) with every animation frame.

import { skipsRows } from "./blocks.js";
import { Cells, PAD, Sheet, casedLine, focusBand, rowAt, rowMiddle, rowTop } from "./plot.js";
import { drawAxes } from "./river_axes.js";
import { drawBlocks, drawLeads, drawParting, drawSinks } from "./river_marks.js";
import { rowValues } from "./rows.js";

const RIGHT = 4;
const REACH = 12; // how far, in pixels, a press may be from a mark

export class River {
  constructor(base, overlay) {
    this.base = new Sheet(base);
    this.overlay = new Sheet(overlay);
    this.cells = new Cells();
  }

  resize() {
    this.base.resize();
    this.overlay.resize();
  }

  get plotWidth() {
    return this.base.width - PAD.left - RIGHT;
  }

  get right() {
    return this.base.width - RIGHT;
  }

  placeX(place, { axis }) {
    return PAD.left + (place / axis.end) * this.plotWidth;
  }

  columnX(step, scene) {
    return this.placeX(scene.axis.left(scene.lane, step), scene);
  }

  // The middle of a step's column.
  markX(step, scene) {
    return (this.columnX(step, scene) + this.columnX(step + 1, scene)) / 2;
  }

  top(position, { rows }) {
    return rowTop(position, rows, this.base);
  }

  middle(position, { rows }) {
    return rowMiddle(position, rows, this.base);
  }

  // The clock's tick under the pointer; above the picture that of the nearest mark.
  tickAt(x, y, scene) {
    const { axis, lane, track } = scene;
    if (y < PAD.top && track) {
      const distance = (step) => Math.abs(this.markX(step, scene) - x);
      const [nearest] = [...track.moved].sort((a, b) => distance(a) - distance(b));
      if (nearest != null && distance(nearest) < REACH) return axis.tickOf(lane, nearest);
    }
    return axis.tickAt(((x - PAD.left) / this.plotWidth) * axis.end);
  }

  positionAt(y, scene) {
    return rowAt(y, scene.rows, this.base);
  }

  draw(scene) {
    const context = this.base.begin();
    if (!context || !scene.lane.frames.length) return;
    this.drawCells(context, scene);
    this.drawCached(context, scene);
    drawBlocks(context, this, scene);
    if (scene.track) drawSinks(context, this, scene);
    else drawLeads(context, this, scene);
    drawAxes(context, this, scene);
    if (scene.parting) drawParting(context, this, scene);
  }

  drawCells(context, scene) {
    const { lane, massAt, axis, rows, shade } = scene;
    const count = lane.frames.length;
    const pixels = this.cells.start(count, rows.count);
    lane.frames.forEach((frame, step) => {
      rowValues(massAt(step), rows, 0, frame.visible).forEach((mass, row) => (pixels[row * count + step] = shade(mass)));
    });
    this.cells.finish();
    const pieces = axis.clock === "steps" ? [[0, count]] : lane.frames.map((_, step) => [step, step + 1]);
    for (const [from, to] of pieces) {
      const [x, next] = [this.columnX(from, scene), this.columnX(to, scene)];
      const [left, right] = pieces.length > 1 ? [Math.floor(x), Math.ceil(next)] : [x, next]; // no seams between columns
      context.drawImage(this.cells.canvas, from, 0, to - from, rows.count, left, PAD.top, right - left, this.base.plotHeight);
    }
  }

  // Query rows that a key-value cache did not compute again: hatched over their colour.
  drawCached(context, scene) {
    const { lane } = scene;
    if (lane.kind === "ar" || !lane.frames.some(skipsRows)) return;
    context.save();
    context.fillStyle = hatching(context);
    lane.frames.forEach((frame, step) => {
      if (!skipsRows(frame)) return;
      const [x, next] = [this.columnX(step, scene), this.columnX(step + 1, scene)];
      for (const [from, to] of [[0, frame.rows[0]], [frame.rows[1], frame.visible]]) {
        const y = this.top(from, scene);
        context.fillRect(x, y, next - x, this.top(to, scene) - y);
      }
    });
    context.restore();
  }

  // position: the clock's place, between ticks while it plays
  drawOverlay(scene, position) {
    const context = this.overlay.begin();
    if (!context || !scene.lane.frames.length) return;
    const { axis, rows, theme, lane } = scene;
    const x = this.placeX(axis.head(lane, position), scene);
    const end = this.columnX(lane.frames.length, scene);
    const shown = axis.clock === "steps" ? x + this.plotWidth / axis.end / 2 : x;
    context.fillStyle = theme.veil;
    if (end > shown) context.fillRect(shown, PAD.top, end - shown, this.base.plotHeight);
    focusBand(context, scene.focus, rows, this.overlay, PAD.left, PAD.left + this.plotWidth, theme);
    const bottom = PAD.top + this.base.plotHeight;
    casedLine(context, (c) => { c.moveTo(x, PAD.top); c.lineTo(x, bottom); }, "#fff", 2, "rgba(0,0,0,.6)");
    context.fillStyle = theme.ink;
    context.beginPath();
    context.moveTo(x - 5, bottom + 7);
    context.lineTo(x + 5, bottom + 7);
    context.lineTo(x, bottom);
    context.fill();
  }
}

function hatching(context) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 6;
  const c = tile.getContext("2d");
  c.strokeStyle = "rgba(255, 255, 255, 0.42)";
  c.lineWidth = 1.2;
  c.beginPath();
  for (const shift of [-6, 0, 6]) { c.moveTo(shift, 6); c.lineTo(shift + 6, 0); }
  c.stroke();
  return context.createPattern(tile, "repeat");
}
