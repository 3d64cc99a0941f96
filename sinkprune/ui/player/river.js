// The river: x = step, y = token position, colour = attention received. It is also the scrubber.
// The picture is drawn when data change; the overlay (playhead, focus) with every animation frame.

import { colourTable, level } from "./colour.js";
import { Cells, PAD, Sheet, casedLine, focusBand, label, rowAt, rowTop, tickStep } from "./plot.js";

const RIGHT = 4;

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

  columnX(step, scene) {
    return PAD.left + (step / scene.axisSteps) * this.plotWidth;
  }

  stepAt(x, scene) {
    const step = Math.floor(((x - PAD.left) / this.plotWidth) * scene.axisSteps);
    return Math.max(0, Math.min(scene.run.steps - 1, step));
  }

  positionAt(y, scene) {
    return rowAt(y, scene.axisLength, this.base);
  }

  draw(scene) {
    const context = this.base.begin();
    if (!context) return;
    this.paintCells(scene);
    context.drawImage(this.cells.canvas, PAD.left, PAD.top, this.plotWidth, this.base.plotHeight);
    this.drawCached(context, scene);
    this.drawBlocks(context, scene);
    this.drawSinks(context, scene);
    const { axisSteps, axisLength, theme, lane } = scene;
    const axes = [axisSteps, axisLength, theme.ink, theme.font, lane.kind, lane.promptLength, lane.done && lane.frames.length];
    this.base.still(context, axes, (beside) => this.drawAxes(beside, scene));
    if (scene.parting) this.drawParting(context, scene);
  }

  paintCells({ lane, massAt, axisSteps, axisLength, top, palette }) {
    const pixels = this.cells.start(axisSteps, axisLength);
    const table = colourTable(palette);
    lane.frames.forEach((frame, step) => {
      const mass = massAt(step);
      for (let i = 0; i < frame.visible; i++) pixels[i * axisSteps + step] = table[level(mass[i], top)];
    });
    this.cells.finish();
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
    const { track, axisLength, theme } = scene;
    const left = (step) => this.columnX(step, scene);
    const middle = (position) => rowTop(position + 0.5, axisLength, this.base);
    const jumps = (c) => track.leaders.forEach((leader, step) => {
      const before = track.leaders[step - 1];
      if (leader < 0 || !(before >= 0) || before === leader) return;
      c.moveTo(left(step), middle(before));
      c.lineTo(left(step), middle(leader));
    });
    const dashes = (c) => track.leaders.forEach((leader, step) => {
      if (leader < 0) return;
      c.moveTo(left(step) + 0.5, middle(leader));
      c.lineTo(left(step + 1) - 0.5, middle(leader));
    });
    casedLine(context, jumps, theme.river, 1, "rgba(0, 0, 0, 0.3)");
    casedLine(context, dashes, theme.river, 3, "rgba(0, 0, 0, 0.65)");
    const radius = Math.max(0.9, Math.min(1.6, this.plotWidth / scene.axisSteps / 5));
    context.fillStyle = "#fff";
    context.strokeStyle = "rgba(0, 0, 0, 0.8)";
    context.lineWidth = 1;
    track.sinks.forEach((sinks, step) => sinks.slice(1).forEach((position) => {
      context.beginPath();
      context.arc(this.columnX(step + 0.5, scene), middle(position), radius, 0, 7);
      context.stroke();
      context.fill();
    }));
  }

  drawAxes(context, scene) {
    const { lane, axisLength, axisSteps, theme } = scene;
    const rows = tickStep(axisLength, Math.max(2, this.base.plotHeight / 36));
    for (let position = 0; position < axisLength; position += rows) {
      label(context, String(position), PAD.left - 6, rowTop(position + 0.5, axisLength, this.base), theme, { align: "right" });
    }
    this.sideLabel(context, "prompt", 0, lane.promptLength, scene);
    this.sideLabel(context, "answer", lane.promptLength, lane.length, scene);
    this.doneLabel(context, scene);
    const y = this.base.height - PAD.bottom + 13;
    const name = lane.kind === "ar" ? "generated token →" : "denoising step →";
    const columns = tickStep(axisSteps, Math.max(2, (this.plotWidth - 110) / 44));
    for (let step = 0; step < axisSteps; step += columns) {
      const x = this.columnX(step + 0.5, scene);
      if (x < this.base.width - 122) label(context, String(step + 1), x, y, theme, { align: "center" });
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

  // A lane that needs fewer steps than the clock says so.
  doneLabel(context, { lane, axisSteps, theme }) {
    const x = PAD.left + (lane.frames.length / axisSteps) * this.plotWidth + 8;
    context.font = `11px ${theme.font}`;
    const fits = (text) => context.measureText(text).width <= this.base.width - x;
    const words = [`done after ${lane.frames.length}`, "done"].find(fits);
    if (lane.done && words) label(context, words, x, PAD.top + 8, theme);
  }

  drawParting(context, scene) {
    const x = this.columnX(scene.parting.step + 0.5, scene);
    const y = rowTop(scene.parting.position + 0.5, scene.axisLength, this.base);
    context.setLineDash([2, 3]);
    casedLine(context, (c) => { c.moveTo(x, PAD.top); c.lineTo(x, PAD.top + this.base.plotHeight); }, "#fff", 1.25, "rgba(0,0,0,.6)");
    context.setLineDash([]);
    casedLine(context, (c) => c.arc(x, y, 6, 0, 7), "#fff", 1.5, "rgba(0,0,0,.7)");
    label(context, "≠", x, 6, scene.theme, { align: "center", colour: scene.theme.ink, weight: 600 });
  }

  // position: the clock's, between steps while it plays
  drawOverlay(scene, position) {
    const context = this.overlay.begin();
    if (!context) return;
    const { axisLength, axisSteps, theme, lane } = scene;
    const reached = Math.min(position, lane.frames.length - 1);
    const x = this.columnX(reached + 0.5, scene);
    const end = this.columnX(lane.frames.length, scene);
    const cell = this.plotWidth / axisSteps / 2;
    context.fillStyle = theme.veil;
    if (end > x + cell) context.fillRect(x + cell, PAD.top, end - x - cell, this.base.plotHeight);
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
