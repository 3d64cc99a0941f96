// The full map of one step: y = token that receives (key), x = token that looks (query). A sink is a horizontal line, as in every
// other view.

import { byteColours } from "../colour.js";
import { Cells, PAD, focusBand, label, rowAt, rowMiddle, sinkArrows, tickStep } from "../plot.js";
import { rowOf, rowValues } from "../rows.js";
import { tokenState } from "../trace.js";
import { chipText } from "../words.js";
import { Overview } from "./overview.js";

const LEFT = 58; // room for the names of tokens
const RIGHT = 12;
const LETTERS = 7; // of a name

export const mapView = {
  name: "map",
  label: "Token to token",
  about: "attention from every token to every token",
  wants: ["heads", "maps"],
  explain: (cached) =>
    `Columns: tokens that look. Rows: tokens that receive. The grid chooses a layer and head.${cached ? " Computed anew, without the cache." : ""}`,
  make: (sheet) => new MapDrawing(sheet),
};

class MapDrawing {
  constructor(sheet) {
    this.sheet = sheet;
    this.cells = new Cells();
    this.overview = new Overview(sheet);
    this.shown = null;
  }

  // At most a quarter wider than high: a map stays close to a square.
  get plotWidth() {
    return Math.min(this.sheet.width - LEFT - RIGHT - this.overview.width - 44, 1.25 * this.sheet.plotHeight);
  }

  hit(x, y, scene) {
    const column = this.overview.cellAt(x, y, scene.run.model);
    const position = x > LEFT && x < LEFT + this.plotWidth ? rowAt(y, scene.rows, this.sheet) : null;
    return { position, column, chooses: column != null };
  }

  // While the map of this step is computed, that of an older one stands in, faded.
  draw(scene, step, { maps }) {
    const map = maps.get({ ...scene, step });
    if (map) this.shown = map;
    this.paint(scene, step, this.shown, !map);
    return { waiting: !map, said: map?.error };
  }

  paint(scene, step, map, stale) {
    const context = this.sheet.begin();
    if (!context) return;
    const { rows, theme, track } = scene;
    const high = this.sheet.plotHeight;
    if (map && !map.error) {
      this.paintCells(scene, map);
      context.globalAlpha = stale ? 0.45 : 1;
      context.drawImage(this.cells.canvas, LEFT, PAD.top, this.plotWidth, high);
      context.globalAlpha = 1;
    } else {
      context.strokeStyle = theme.line;
      context.strokeRect(LEFT + 0.5, PAD.top + 0.5, this.plotWidth - 1, high - 1);
      if (map) label(context, map.error, LEFT + this.plotWidth / 2, PAD.top + high / 2, theme, { align: "center", size: 12 });
    }
    const names = Array.from({ length: rows.count }, (_, position) => nameOf(scene, position, step));
    this.sheet.still(context, ["map", rows.count, rows.fold, theme.ink, theme.font, ...names], (beside) => {
      this.drawNames(beside, scene, names);
      this.overview.drawTicks(beside, scene);
    });
    this.overview.draw(context, scene, step);
    this.drawQuery(context, scene);
    sinkArrows(context, track.sinks[step], rows, this.sheet, LEFT + this.plotWidth + 2, theme);
    focusBand(context, scene.focus, rows, this.sheet, LEFT, LEFT + this.plotWidth, theme);
  }

  paintCells({ rows, palette, top }, { n, bytes }) {
    const pixels = this.cells.start(rows.count, rows.count);
    const colours = byteColours(palette, n, top);
    const columns = Array.from({ length: n }, (_, query) => rowValues(bytes, rows, query * n, n));
    const last = rowOf(n - 1, rows);
    columns.slice(last + 1).forEach((column) => column.forEach((value, key) => (columns[last][key] = Math.max(columns[last][key], value))));
    columns.slice(0, last + 1).forEach((column, query) => {
      column.forEach((value, key) => (pixels[key * rows.count + query] = colours[value]));
    });
    this.cells.finish();
  }

  drawNames(context, { rows, theme }, names) {
    const down = tickStep(rows.count, this.sheet.plotHeight / 13);
    for (let position = 0; position < rows.count; position += down) {
      label(context, names[position], LEFT - 5, rowMiddle(position, rows, this.sheet), theme, { align: "right" });
    }
    const across = tickStep(rows.count, this.plotWidth / 48);
    const y = this.sheet.height - PAD.bottom + 13;
    for (let position = 0; position < rows.count; position += across) {
      label(context, names[position], LEFT + ((position + 0.5) / rows.count) * this.plotWidth, y, theme, { align: "center" });
    }
  }

  // The focused token as the one that looks: its column.
  drawQuery(context, { focus, rows }) {
    if (focus == null) return;
    const x = LEFT + ((rowOf(focus, rows) + 0.5) / rows.count) * this.plotWidth;
    context.strokeStyle = "rgba(255, 255, 255, 0.55)";
    context.lineWidth = 1;
    context.setLineDash([2, 2]);
    context.beginPath();
    context.moveTo(x, PAD.top);
    context.lineTo(x, PAD.top + this.sheet.plotHeight);
    context.stroke();
    context.setLineDash([]);
  }
}

// The token at a position as this step read it.
function nameOf({ lane, rows }, position, step) {
  if (position === rows.fold) return "∎";
  const state = tokenState(lane, position, step);
  if (position >= lane.length || state === "absent" || (state === "revealed" && lane.kind === "ar")) return "";
  if (state === "masked" || state === "revealed") return "mask";
  const name = chipText(lane.texts[position], { oneLine: true, first: position === 0 }).trim();
  return name.length > LETTERS ? `${name.slice(0, LETTERS)}…` : name;
}
