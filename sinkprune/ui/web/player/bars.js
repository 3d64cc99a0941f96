// Bars: attention received by every token at this step, on the river's token axis, with the sink threshold as a line.
// Lengths grow with the square root of the mass, so that the background stays visible beside a sink. The strip at the left
// shows what stood at each position.

import { PAD, Sheet, focusBand, label, rowAt, rowMiddle, rowTop, sinkArrow } from "./plot.js";
import { skipsRows } from "./blocks.js";
import { rowOf, rowValues } from "./rows.js";
import { tokenState, valuesOf } from "./trace.js";

const STRIP = 5;
const LEFT = STRIP + 5;
const RIGHT = 14;
const LABEL = 22; // the room a label needs

export class Bars {
  constructor(canvas) {
    this.sheet = new Sheet(canvas);
  }

  positionAt(y, scene) {
    return rowAt(y, scene.rows, this.sheet);
  }

  draw(scene, step) {
    const context = this.sheet.begin();
    if (!context) return;
    const { rows, theme, track, top } = scene;
    const { visible } = scene.lane.frames[step];
    const mass = scene.massAt(step);
    const room = this.sheet.width - LEFT - RIGHT;
    const length = (value) => Math.min(1, Math.sqrt(value / top)) * room;
    const sinks = new Set(track.sinks[step].map((position) => rowOf(position, rows)));
    const high = this.sheet.plotHeight / rows.count;
    const gap = high > 4 ? 1 : 0;
    this.sheet.still(context, [top, theme.ink, theme.font], (beside) => this.drawGrid(beside, scene, length));
    rowValues(mass, rows, 0, visible).forEach((value, row) => {
      context.fillStyle = sinks.has(row) ? theme.accent : theme.bar;
      context.fillRect(LEFT, rowTop(row, rows, this.sheet), Math.max(0.5, length(value)), Math.max(1, high - gap));
    });
    this.drawValues(context, scene, step, room);
    this.drawStates(context, scene, step, high);
    this.drawThreshold(context, scene, LEFT + length(track.limits[step]));
    track.sinks[step].forEach((position, rank) => {
      sinkArrow(context, LEFT + length(mass[position]) + 2, rowMiddle(position, rows, this.sheet), rank === 0, theme);
    });
    focusBand(context, scene.focus, rows, this.sheet, LEFT - 2, this.sheet.width, theme);
  }

  drawGrid(context, { theme, top }, length) {
    const y = this.sheet.height - PAD.bottom;
    let free = 0; // labels are left out where they would touch
    for (let value = 1; value <= top; value *= 4) {
      const x = LEFT + length(value);
      context.fillStyle = theme.line;
      context.fillRect(x, PAD.top, 1, y - PAD.top);
      if (x < free) continue;
      label(context, `${value}×`, x, y + 13, theme, { align: "center" });
      free = x + LABEL;
    }
  }

  // How long each token's value vector is: a thin line, whose half width is the median. Of folded rows, that of the first.
  drawValues(context, scene, step, room) {
    const { rows, theme } = scene;
    const values = valuesOf(scene.run, scene.lane, step, scene.scope);
    if (!values) return;
    context.fillStyle = theme.value;
    for (let row = 0; row < rows.count; row++) {
      if (values[row] > 0) context.fillRect(LEFT, rowMiddle(row, rows, this.sheet) - 0.5, Math.min(1, values[row] / 2) * room, 1);
    }
  }

  drawStates(context, { lane, rows, theme }, step, high) {
    const frame = lane.frames[step];
    for (let i = 0; i < Math.min(lane.length, rows.count); i++) {
      const state = tokenState(lane, i, step);
      if (state === "absent") continue;
      const y = rowTop(i, rows, this.sheet);
      context.fillStyle = state === "revealed" ? theme.accent : state === "prompt" ? theme.muted : theme.ink;
      const width = state === "masked" ? 1 : STRIP;
      context.globalAlpha = state === "masked" || (skipsRows(frame) && lane.kind !== "ar" && outside(frame.rows, i)) ? 0.35 : 1;
      context.fillRect(0, y, width, Math.max(1, high));
    }
    context.globalAlpha = 1;
  }

  drawThreshold(context, { theme }, x) {
    if (x > this.sheet.width - 2) return;
    context.strokeStyle = theme.ink;
    context.lineWidth = 1.25;
    context.setLineDash([3, 3]);
    context.beginPath();
    context.moveTo(x, PAD.top - 4);
    context.lineTo(x, this.sheet.height - PAD.bottom);
    context.stroke();
    context.setLineDash([]);
    context.fillStyle = theme.ink;
    context.beginPath();
    context.moveTo(x - 4, PAD.top - 9);
    context.lineTo(x + 4, PAD.top - 9);
    context.lineTo(x, PAD.top - 3);
    context.fill();
  }
}

function outside([start, end], position) {
  return position < start || position >= end;
}
