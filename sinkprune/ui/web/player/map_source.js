// Maps from every token to every token: computed by the page when asked for, and kept.

import { RequestQueue } from "./request_queue.js";
import { canvasIds, decodeBytes } from "./trace.js";

const KEPT = 400; // about 8 MB of the usual canvas

export class MapSource {
  // fetchMap(question) -> {map: base64 of n x n bytes 255 sqrt(p), row = query} or {error: sentence}
  constructor(fetchMap, arrived) {
    this.fetchMap = fetchMap;
    this.queue = new RequestQueue(this, arrived);
    this.maps = new Map();
  }

  key({ run, laneIndex, step, scope }) {
    return [run.id, laneIndex, step, scope.layer ?? "*", scope.head ?? "*"].join("/");
  }

  // undefined: not there yet; {error}: could not be computed; else {n, bytes, step}
  get(request) {
    return this.maps.get(this.key(request));
  }

  has(request) {
    return this.maps.has(this.key(request));
  }

  // requests: {run, laneIndex, step, scope}
  want(requests) {
    this.queue.want(requests);
  }

  // Which steps, from the one that is shown, are worth having.
  near(playing) {
    return playing ? [0, 1, 2] : [0, 1, -1];
  }

  // A map that cannot be had is in its place as a sentence.
  loadAll(requests, progress) {
    return this.queue.loadAll(requests, progress);
  }

  async load(request) {
    this.maps.set(this.key(request), await this.fetch(request));
    if (this.maps.size > KEPT) this.maps.delete(this.maps.keys().next().value);
  }

  async fetch({ run, laneIndex, step, scope }) {
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
