// The heads of a run's frames, fetched from the page that recorded it, some steps at a time, and put into the frames.

import { RequestQueue } from "./request_queue.js";
import { decodeBytes } from "./trace.js";

const AT_ONCE = 16;

export class HeadsSource {
  // fetchHeads({run, lane, from, to}) -> {heads: base64 of zlib of differences from step to step} or {error: sentence}
  constructor(fetchHeads, arrived) {
    this.fetchHeads = fetchHeads;
    this.queue = new RequestQueue(this, arrived);
    this.error = null; // of the run that was asked for last
  }

  // requests: {run, laneIndex, step}
  want(requests) {
    this.queue.want(requests);
  }

  // Which steps, from the one that is shown, are worth having.
  near(playing) {
    return playing ? [0, 8] : [0];
  }

  has({ run, laneIndex, step }) {
    return !missing(run.lanes[laneIndex].frames[step]) || this.failed === run.id;
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

  // Throws a sentence when they cannot be had.
  async loadAll(requests, progress) {
    this.failed = null;
    await this.queue.loadAll(requests, progress);
    if (this.failed) throw new Error(this.error);
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
