// The river: x = step or time (axis.js), y = token position, colour = attention received. It is also the scrubber.
// The picture is drawn when data change; the overlay (playhead, focus) with every animation frame.

import { Cells, PAD, Sheet, casedLine, focusBand, label, rowAt, rowTop, tickStep } from "./plot.js";

const RIGHT = 4;
const REACH = 9; // how far, in pixels, a press may be from a mark

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

  placeX(place, { axis }) {
    return PAD.left + (place / axis.end) * this.plotWidth;
  }

  columnX(step, scene) {
    return this.placeX(scene.axis.left(scene.lane, step), scene);
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

  markX(step, scene) {
    return (this.columnX(step, scene) + this.columnX(step + 1, scene)) / 2;
  }

  positionAt(y, scene) {
    return rowAt(y, scene.axisLength, this.base);
  }

  draw(scene) {
    const context = this.base.begin();
    if (!context || !scene.lane.frames.length) return;
    this.drawCells(context, scene);
    this.drawCached(context, scene);
    this.drawBlocks(context, scene);
    if (scene.track) this.drawSinks(context, scene);
    else this.drawLeads(context, scene);
    const { axis, axisLength, theme, lane } = scene;
    const axes = [axis.clock, axis.end, axisLength, theme.ink, theme.font, lane.kind, lane.promptLength, lane.done && lane.frames.length];
    this.base.still(context, axes, (beside) => this.drawAxes(beside, scene));
    if (scene.parting) this.drawParting(context, scene);
  }

  drawCells(context, scene) {
    const { lane, massAt, axis, axisLength, shade } = scene;
    const count = lane.frames.length;
    const pixels = this.cells.start(count, axisLength);
    lane.frames.forEach((frame, step) => {
      const mass = massAt(step);
      for (let i = 0; i < frame.visible; i++) pixels[i * count + step] = shade(mass[i]);
    });
    this.cells.finish();
    const pieces = axis.clock === "steps" ? [[0, count]] : lane.frames.map((_, step) => [step, step + 1]);
    for (const [from, to] of pieces) {
      const [x, next] = [this.columnX(from, scene), this.columnX(to, scene)];
      const [left, right] = pieces.length > 1 ? [Math.floor(x), Math.ceil(next)] : [x, next]; // no seams between columns
      context.drawImage(this.cells.canvas, from, 0, to - from, axisLength, left, PAD.top, right - left, this.base.plotHeight);
    }
  }

  // Query rows that a key-value cache did not compute again: hatched over their colour.
  drawCached(context, scene) {
    const { lane, axisLength } = scene;
    if (lane.kind === "ar" || !lane.frames.some(skipsRows)) return;
    context.save();
    context.fillStyle = hatching(context);
    lane.frames.forEach((frame, step) => {
      if (!skipsRows(frame)) return;
      const [x, next] = [this.columnX(step, scene), this.columnX(step + 1, scene)];
      for (const [from, to] of [[0, frame.rows[0]], [frame.rows[1], frame.visible]]) {
        const y = rowTop(from, axisLength, this.base);
        context.fillRect(x, y, next - x, rowTop(to, axisLength, this.base) - y);
      }
    });
    context.restore();
  }

  // The border between prompt and answer, and the staircase of blocks being written.
  drawBlocks(context, scene) {
    const { lane, axisLength, blocks } = scene;
    const y = rowTop(lane.promptLength, axisLength, this.base);
    const end = this.columnX(lane.frames.length, scene);
    context.setLineDash([4, 3]);
    casedLine(context, (c) => { c.moveTo(PAD.left, y); c.lineTo(end, y); }, "rgba(255,255,255,.85)", 1, "rgba(0,0,0,.35)");
    context.setLineDash([]);
    if (blocks.length < 2) return;
    context.strokeStyle = "rgba(255, 255, 255, 0.6)";
    context.lineWidth = 1;
    for (const block of blocks) {
      const [left, right] = [this.columnX(block.from, scene), this.columnX(block.to, scene)];
      const [above, below] = [rowTop(block.start, axisLength, this.base), rowTop(block.end, axisLength, this.base)];
      context.strokeRect(left + 0.5, above + 0.5, right - left - 1, below - above - 1);
    }
  }

  // The leading sink as a dash in every step it leads, thin lines where the lead jumps; the other sinks as small points.
  drawSinks(context, scene) {
    const { track, axisLength, axis } = scene;
    this.drawLead(context, track.leaders, scene);
    const radius = Math.max(0.9, Math.min(1.6, this.plotWidth / scene.lane.frames.length / 5));
    context.fillStyle = "#fff";
    context.strokeStyle = "rgba(0, 0, 0, 0.8)";
    context.lineWidth = 1;
    track.sinks.forEach((sinks, step) => sinks.slice(1).forEach((position) => {
      context.beginPath();
      context.arc(this.markX(step, scene), rowTop(position + 0.5, axisLength, this.base), radius, 0, 7);
      context.stroke();
      context.fill();
    }));
    this.drawMarks(context, scene);
  }

  // leaders: the leading position of every step, -1 for none.
  drawLead(context, leaders, scene) {
    const jumps = (c) => leaders.forEach((leader, step) => {
      const before = leaders[step - 1];
      if (leader < 0 || !(before >= 0) || before === leader) return;
      c.moveTo(this.columnX(step, scene), this.rowY(before, scene));
      c.lineTo(this.columnX(step, scene), this.rowY(leader, scene));
    });
    casedLine(context, jumps, scene.theme.river, 1, "rgba(0, 0, 0, 0.3)");
    casedLine(context, this.dashes(leaders, scene), scene.theme.river, 3, "rgba(0, 0, 0, 0.65)");
  }

  // The leads of two lanes in one river: the first one's drawn through, the second one's dotted.
  drawLeads(context, scene) {
    const [first, second] = scene.leads.map((leaders) => this.dashes(leaders, scene));
    const { ink, surface } = scene.theme;
    casedLine(context, first, ink, 2, surface);
    context.setLineDash([2, 3]);
    casedLine(context, second, surface, 2, ink);
    context.setLineDash([]);
  }

  dashes(leaders, scene) {
    return (c) => leaders.forEach((leader, step) => {
      if (leader < 0) return;
      c.moveTo(this.columnX(step, scene) + 0.5, this.rowY(leader, scene));
      c.lineTo(this.columnX(step + 1, scene) - 0.5, this.rowY(leader, scene));
    });
  }

  rowY(position, { axisLength }) {
    return rowTop(position + 0.5, axisLength, this.base);
  }

  // ▾ above every step at which the lead passes on: a press there goes to it.
  drawMarks(context, scene) {
    context.fillStyle = scene.theme.accent;
    for (const step of scene.track.moved) {
      const x = this.markX(step, scene);
      context.beginPath();
      context.moveTo(x - 4, PAD.top - 8);
      context.lineTo(x + 4, PAD.top - 8);
      context.lineTo(x, PAD.top - 2);
      context.fill();
    }
  }

  drawAxes(context, scene) {
    const { lane, axisLength, axis, theme } = scene;
    const rows = tickStep(axisLength, Math.max(2, this.base.plotHeight / 36));
    for (let position = 0; position < axisLength; position += rows) {
      label(context, String(position), PAD.left - 6, rowTop(position + 0.5, axisLength, this.base), theme, { align: "right" });
    }
    this.sideLabel(context, "prompt", 0, lane.promptLength, scene);
    this.sideLabel(context, "answer", lane.promptLength, lane.length, scene);
    this.doneLabel(context, scene);
    const y = this.base.height - PAD.bottom + 13;
    const name = axis.clock === "time" ? "measured time →" : lane.kind === "ar" ? "generated token →" : "denoising step →";
    for (const [place, text] of axis.labels(Math.max(2, (this.plotWidth - 110) / 44))) {
      const x = this.placeX(place, scene);
      if (x < this.base.width - 122) label(context, text, x, y, theme, { align: "center" });
    }
    label(context, name, this.base.width - RIGHT, y, theme, { align: "right" });
  }

  sideLabel(context, text, from, to, { axisLength, theme }) {
    const [above, below] = [rowTop(from, axisLength, this.base), rowTop(to, axisLength, this.base)];
    if (below - above < 34) return;
    context.save();
    context.translate(7, (above + below) / 2);
    context.rotate(-Math.PI / 2);
    label(context, text, 0, 0, theme, { align: "center" });
    context.restore();
  }

  // A lane that needs less of the clock says so.
  doneLabel(context, scene) {
    const { lane, axis, theme } = scene;
    const x = this.columnX(lane.frames.length, scene) + 8;
    context.font = `11px ${theme.font}`;
    const fits = (text) => context.measureText(text).width <= this.base.width - x;
    const after = axis.clock === "time" ? `${lane.frames.at(-1).seconds.toFixed(1)} s` : lane.frames.length;
    const words = [`done after ${after}`, "done"].find(fits);
    if (lane.done && words) label(context, words, x, PAD.top + 8, theme);
  }

  drawParting(context, scene) {
    const x = this.markX(scene.parting.step, scene);
    const y = rowTop(scene.parting.position + 0.5, scene.axisLength, this.base);
    context.setLineDash([2, 3]);
    casedLine(context, (c) => { c.moveTo(x, PAD.top); c.lineTo(x, PAD.top + this.base.plotHeight); }, "#fff", 1.25, "rgba(0,0,0,.6)");
    context.setLineDash([]);
    casedLine(context, (c) => c.arc(x, y, 6, 0, 7), "#fff", 1.5, "rgba(0,0,0,.7)");
    label(context, "≠", x, 6, scene.theme, { align: "center", colour: scene.theme.ink, weight: 600 });
  }

  // position: the clock's place, between ticks while it plays
  drawOverlay(scene, position) {
    const context = this.overlay.begin();
    if (!context || !scene.lane.frames.length) return;
    const { axis, axisLength, theme, lane } = scene;
    const x = this.placeX(axis.head(lane, position), scene);
    const end = this.columnX(lane.frames.length, scene);
    const shown = axis.clock === "steps" ? x + this.plotWidth / axis.end / 2 : x;
    context.fillStyle = theme.veil;
    if (end > shown) context.fillRect(shown, PAD.top, end - shown, this.base.plotHeight);
    focusBand(context, scene.focus, axisLength, this.overlay, PAD.left, PAD.left + this.plotWidth, theme);
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

export function skipsRows(frame) {
  return frame.rows[1] - frame.rows[0] < frame.visible;
}

// Step and position range of every block, as far as it was written.
export function blockRanges(lane, blockLength) {
  const blocks = [];
  lane.frames.forEach((frame, step) => {
    const block = (blocks[frame.block] ??= { from: step, to: step, start: Infinity, end: 0 });
    block.to = step + 1;
    for (const position of frame.committed) {
      block.start = Math.min(block.start, position);
      block.end = Math.max(block.end, position + 1);
    }
    if (!blockLength) return;
    block.start = lane.promptLength + frame.block * blockLength;
    block.end = block.start + blockLength;
  });
  return blocks.filter((block) => block && block.end > block.start);
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
