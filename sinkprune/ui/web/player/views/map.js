// The full map of one step: y = token that receives (key), x = token that looks (query), so that a sink is a horizontal line
// here as in every other view. Maps are computed by the server when asked for, one at a time, and kept.

import { byteColours } from "./colour.js";
import { Cells, PAD, focusBand, label, sinkArrows, tickStep } from "./plot.js";
import { Overview } from "./overview.js";
import { canvasIds, decodeBytes } from "./trace.js";

const KEPT = 400; // about 8 MB of the usual canvas
const LEFT = 2;
const RIGHT = 12;

export class MapSource {
  // fetchMap(question) -> {map: base64 of n x n bytes 255 sqrt(p), row = query} or {error: sentence}
  constructor(fetchMap, arrived) {
    this.fetchMap = fetchMap;
    this.arrived = arrived;
    this.maps = new Map();
    this.wanted = [];
    this.busy = false;
  }

  key({ run, laneIndex, step, scope }) {
    return [run.id, laneIndex, step, scope.layer ?? "*", scope.head ?? "*"].join("/");
  }

  // undefined: not there yet; {error}: could not be computed; else {n, bytes}
  get(request) {
    return this.maps.get(this.key(request));
  }

  // The most urgent first. What an earlier call wanted and was not started yet is forgotten.
  want(requests) {
    this.wanted = requests;
    if (!this.busy) this.fetchNext();
  }

  async fetchNext() {
    const request = this.wanted.find((wanted) => !this.maps.has(this.key(wanted)));
    if (!request) return;
    this.busy = true;
    this.keep(request, await this.load(request));
    this.busy = false;
    this.arrived(request);
    this.fetchNext();
  }

  // Every map of these requests, for a film. A map that cannot be had is in its place as a sentence.
  async loadAll(requests, progress) {
    for (const [index, request] of requests.entries()) {
      progress(index);
      if (!this.get(request)) this.keep(request, await this.load(request));
    }
  }

  keep(request, map) {
    this.maps.set(this.key(request), map);
    if (this.maps.size > KEPT) this.maps.delete(this.maps.keys().next().value);
  }

  async load({ run, laneIndex, step, scope }) {
    const lane = run.lanes[laneIndex];
    const ids = canvasIds(lane, step);
    const question = { model: lane.model, ids, causal: lane.kind === "ar", layer: scope.layer, head: scope.head, visible: ids.length };
    try {
      const answer = await this.fetchMap(question);
      if (!answer?.map) return { error: answer?.error ?? "This map could not be computed." };
      return { n: ids.length, bytes: decodeBytes(answer.map), step };
    } catch (error) {
      return { error: `This map could not be computed: ${error.message ?? error}` };
    }
  }
}

export class MapView {
  constructor(sheet) {
    this.sheet = sheet;
    this.cells = new Cells();
    this.overview = new Overview(sheet);
  }

  // At most a quarter wider than high: a map stays close to a square.
  get plotWidth() {
    return Math.min(this.sheet.width - LEFT - RIGHT - this.overview.width - 44, 1.25 * this.sheet.plotHeight);
  }

  covers(x) {
    return x < LEFT + this.plotWidth;
  }

  // map: of this step, or an older one that stands in while this step's is computed
  draw(scene, step, map, stale) {
    const context = this.sheet.begin();
    if (!context) return;
    const { axisLength, theme, track } = scene;
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
    this.sheet.still(context, ["map", axisLength, theme.ink, theme.font], (beside) => {
      this.drawTicks(beside, scene);
      this.overview.drawTicks(beside, scene);
    });
    this.overview.draw(context, scene, step);
    this.drawQuery(context, scene);
    sinkArrows(context, track.sinks[step], axisLength, this.sheet, LEFT + this.plotWidth + 2, theme);
    focusBand(context, scene.focus, axisLength, this.sheet, LEFT, LEFT + this.plotWidth, theme);
  }

  paintCells({ axisLength, palette, top }, { n, bytes }) {
    const pixels = this.cells.start(axisLength, axisLength);
    const colours = byteColours(palette, n, top);
    for (let query = 0, at = 0; query < n; query++) {
      for (let key = 0; key < n; key++, at++) pixels[key * axisLength + query] = colours[bytes[at]];
    }
    this.cells.finish();
  }

  drawTicks(context, { axisLength, theme }) {
    const y = this.sheet.height - PAD.bottom + 13;
    const every = tickStep(axisLength, this.plotWidth / 44);
    for (let position = 0; position < axisLength; position += every) {
      label(context, String(position), LEFT + ((position + 0.5) / axisLength) * this.plotWidth, y, theme, { align: "center" });
    }
  }

  // The focused token as the one that looks: its column.
  drawQuery(context, { focus, axisLength }) {
    if (focus == null) return;
    const x = LEFT + ((focus + 0.5) / axisLength) * this.plotWidth;
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
