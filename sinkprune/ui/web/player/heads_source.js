// Fetches the heads of a run's frames from the page that recorded it, some steps at a time, and puts them into the frames.

import { decodeBytes } from "./trace.js";

const AT_ONCE = 16;

export class HeadsSource {
  // fetchHeads({run, lane, from, to}) -> {heads: base64 of zlib of differences from step to step} or {error: sentence}
  constructor(fetchHeads, arrived) {
    this.fetchHeads = fetchHeads;
    this.arrived = arrived;
    this.wanted = [];
    this.busy = false;
    this.error = null; // of the run that was asked for last
  }

  // requests: {run, laneIndex, step}, the most urgent first. What an earlier call wanted and was not started yet is forgotten.
  want(requests) {
    this.wanted = requests;
    if (!this.busy) this.fetchNext();
  }

  async fetchNext() {
    const request = this.wanted.find(({ run, laneIndex, step }) => missing(run.lanes[laneIndex].frames[step]) && this.failed !== run.id);
    if (!request) return;
    this.busy = true;
    await this.load(request);
    this.busy = false;
    this.arrived(request);
    this.fetchNext();
  }

  async load({ run, laneIndex, step }) {
    const { frames } = run.lanes[laneIndex];
    let to = step;
    while (to < frames.length && to < step + AT_ONCE && missing(frames[to])) to++;
    try {
      const answer = await this.fetchHeads({ run: run.id, lane: laneIndex, from: step, to });
      if (!answer?.heads) throw new Error(answer?.error ?? "the page did not answer");
      unpack(await inflate(decodeBytes(answer.heads)), frames.slice(step, to));
      this.error = null;
    } catch (error) {
      this.failed = run.id;
      this.error = `No heads: ${error.message ?? error}`;
    }
  }

  // Every frame of a run, for those who save it. Throws a sentence when they cannot be had.
  async loadAll(run) {
    for (let laneIndex = 0; laneIndex < run.lanes.length; laneIndex++) {
      const { frames } = run.lanes[laneIndex];
      for (let step = 0; step < frames.length; step++) {
        if (!missing(frames[step])) continue;
        this.failed = null;
        await this.load({ run, laneIndex, step });
        if (this.failed) throw new Error(this.error);
      }
    }
  }
}

function missing(frame) {
  return !frame.heads && !frame.packedHeads;
}

// Differences (modulo 256) from step to step -> one array per frame.
function unpack(bytes, frames) {
  const size = bytes.length / frames.length;
  for (let at = size; at < bytes.length; at++) bytes[at] += bytes[at - size];
  frames.forEach((frame, index) => (frame.heads = bytes.subarray(index * size, (index + 1) * size)));
}

async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
