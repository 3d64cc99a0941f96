// Heatmap of one step, the paper's Fig. 2: token position (y) x every layer and head (x), colour = attention received.

import { byteColours } from "../colour.js";
import { Cells, PAD, focusBand, label, rowAt, sinkArrows } from "../plot.js";
import { rowValues } from "../rows.js";
import { headExists, headsOf } from "../trace.js";

const LEFT = 2;
const RIGHT = 12;

export const headsView = {
  name: "heads",
  label: "Every layer and head",
  about: "attention received by every token in every layer and head",
  wants: ["heads"],
  explain: () => "Columns: heads, grouped by layer. Rows: tokens that receive. Double click opens a head.",
  make: (sheet) => new HeadsDrawing(sheet),
};

class HeadsDrawing {
  constructor(sheet) {
    this.sheet = sheet;
    this.cells = new Cells();
  }

  get groupGap() {
    return this.sheet.width > 240 ? 2 : 1;
  }

  groupWidth(model) {
    return (this.sheet.width - LEFT - RIGHT - this.groupGap * (model.layers - 1)) / model.layers;
  }

  groupX(layer, model) {
    return LEFT + layer * (this.groupWidth(model) + this.groupGap);
  }

  hit(x, y, scene) {
    return { position: rowAt(y, scene.rows, this.sheet), column: this.columnAt(x, scene.run.model) };
  }

  columnAt(x, model) {
    const layer = Math.floor((x - LEFT) / (this.groupWidth(model) + this.groupGap));
    const head = Math.floor(((x - this.groupX(layer, model)) / this.groupWidth(model)) * model.heads);
    if (layer < 0 || layer >= model.layers || head < 0 || head >= model.heads) return null;
    return { layer, head };
  }

  // While the heads of this step are on their way, those shown before stay, faded.
  draw(scene, step, { heads: { error } }) {
    const context = this.sheet.begin();
    if (!context) return {};
    const { rows, theme, track, run: { model } } = scene;
    const here = headsOf(scene.lane.frames[step]) != null;
    if (here) this.paintCells(scene, step);
    const wide = this.groupWidth(model);
    context.globalAlpha = here ? 1 : 0.45;
    for (let layer = 0; layer < model.layers; layer++) {
      const x = this.groupX(layer, model);
      context.drawImage(this.cells.canvas, layer * model.heads, 0, model.heads, rows.count, x, PAD.top, wide, this.sheet.plotHeight);
    }
    context.globalAlpha = 1;
    if (!here && error) label(context, error, this.sheet.width / 2, PAD.top + this.sheet.plotHeight / 2, theme, { align: "center", size: 12, colour: theme.ink });
    this.drawChoice(context, scene);
    this.sheet.still(context, ["heads", model.layers, scene.scope.layer, theme.ink, theme.font], (beside) => this.drawTicks(beside, scene));
    const right = this.sheet.width - RIGHT;
    sinkArrows(context, track.sinks[step], rows, this.sheet, right + 2, theme);
    focusBand(context, scene.focus, rows, this.sheet, LEFT, right, theme);
    return { waiting: !here && !error };
  }

  paintCells({ run, lane, rows, palette, top }, step) {
    const frame = lane.frames[step];
    const heads = headsOf(frame);
    const columns = run.model.layers * run.model.heads;
    const pixels = this.cells.start(columns, rows.count);
    const colours = byteColours(palette, frame.visible, top);
    for (let column = 0; column < columns; column++) {
      if (!headExists(heads, column, lane.length)) continue; // removed: no colour at all
      rowValues(heads, rows, column * lane.length, frame.visible).forEach((value, row) => (pixels[row * columns + column] = colours[value]));
    }
    this.cells.finish();
  }

  drawTicks(context, { run, theme, scope }) {
    const y = this.sheet.height - PAD.bottom + 13;
    const wide = this.groupWidth(run.model);
    const every = wide >= 16 ? 1 : Math.ceil(16 / wide);
    for (let layer = 0; layer < run.model.layers; layer++) {
      const chosen = scope.layer === layer;
      if (!chosen && layer % every) continue;
      const x = this.groupX(layer, run.model) + wide / 2;
      label(context, String(layer + 1), x, y, theme, chosen ? { align: "center", colour: theme.accent, weight: 700 } : { align: "center" });
    }
  }

  // The chosen layer, head or both: a frame in the accent colour around its columns.
  drawChoice(context, { run, theme, scope }) {
    const { layers, heads } = run.model;
    if (scope.layer == null && scope.head == null) return;
    const wide = this.groupWidth(run.model);
    context.strokeStyle = theme.accent;
    context.lineWidth = 1.5;
    for (let layer = 0; layer < layers; layer++) {
      if (scope.layer != null && scope.layer !== layer) continue;
      const left = this.groupX(layer, run.model) + (scope.head == null ? 0 : (scope.head / heads) * wide);
      const width = scope.head == null ? wide : wide / heads;
      context.strokeRect(left - 0.75, PAD.top - 1, width + 1.5, this.sheet.plotHeight + 2);
    }
  }
}
