// Overview of one step beside the map: one cell per layer and head. A cell is brighter, the larger the share of the head's attention
// that its strongest token gets (square root of that share, over the whole colour table).
// A click opens that head; a click on the chosen one goes back to the mean.

import { colourTable } from "../colour.js";
import { Cells, PAD, label } from "../plot.js";
import { headsOf } from "../trace.js";

const GAP = 56; // between map and overview: sink arrows and layer numbers
const WIDEST = 200;
const NARROWEST = 84;

export class Overview {
  constructor(sheet) {
    this.sheet = sheet;
    this.cells = new Cells();
  }

  // The room beside a square map; on a narrow sheet the map gives way.
  get width() {
    const room = this.sheet.width - this.sheet.plotHeight - GAP;
    return Math.max(NARROWEST, Math.min(WIDEST, room));
  }

  get left() {
    return this.sheet.width - this.width;
  }

  cellAt(x, y, { layers, heads }) {
    const head = Math.floor(((x - this.left) / this.width) * heads);
    const layer = Math.floor(((y - PAD.top) / this.sheet.plotHeight) * layers);
    if (head < 0 || head >= heads || layer < 0 || layer >= layers) return null;
    return { layer, head };
  }

  draw(context, scene, step) {
    const { layers, heads } = scene.run.model;
    this.paintCells(scene, step);
    context.drawImage(this.cells.canvas, this.left, PAD.top, this.width, this.sheet.plotHeight);
    const { scope, theme } = scene;
    if (scope.layer == null && scope.head == null) return;
    const [wide, high] = [this.width / heads, this.sheet.plotHeight / layers];
    context.strokeStyle = theme.river;
    context.lineWidth = 2;
    const [x, width] = scope.head == null ? [0, this.width] : [scope.head * wide, wide];
    const [y, height] = scope.layer == null ? [0, this.sheet.plotHeight] : [scope.layer * high, high];
    context.strokeRect(this.left + x, PAD.top + y, width, height);
  }

  paintCells({ run, lane, palette }, step) {
    const { layers, heads } = run.model;
    const bytes = headsOf(lane.frames[step]);
    if (!bytes) return; // on their way: the cells of the step before stay
    const table = colourTable(palette);
    const pixels = this.cells.start(heads, layers);
    for (let row = 0; row < layers * heads; row++) {
      let peak = 0;
      for (let at = row * lane.length; at < (row + 1) * lane.length; at++) if (bytes[at] > peak) peak = bytes[at];
      if (peak) pixels[row] = table[peak]; // a head that was removed has no colour
    }
    this.cells.finish();
  }

  drawTicks(context, { run, theme }) {
    const { layers, heads } = run.model;
    const every = Math.ceil((14 * layers) / this.sheet.plotHeight);
    for (let layer = 0; layer < layers; layer += every) {
      const y = PAD.top + ((layer + 0.5) / layers) * this.sheet.plotHeight;
      label(context, String(layer + 1), this.left - 6, y, theme, { align: "right" });
    }
    const across = Math.ceil((18 * heads) / this.width);
    for (let head = 0; head < heads; head += across) {
      label(context, String(head + 1), this.left + ((head + 0.5) / heads) * this.width, this.sheet.height - PAD.bottom + 13, theme, { align: "center" });
    }
  }
}
