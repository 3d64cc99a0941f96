// Reads a trace (format: the docstring of sinkprune/traces/format.py) into typed arrays.
// A run only ever grows: `readRun` with the previous run of the same id decodes the new frames and nothing else.

const NEVER = 1e9;

export function decodeBytes(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

// base64 of little-endian uint16 x 65535 -> Float32Array of shares.
export function decodeShares(base64) {
  const bytes = decodeBytes(base64);
  const shares = new Float32Array(bytes.length >> 1);
  for (let i = 0; i < shares.length; i++) shares[i] = (bytes[2 * i] | (bytes[2 * i + 1] << 8)) / 65535;
  return shares;
}

export function readRun(trace, previous) {
  if (trace.format !== "sinkprune-trace") throw new Error("this is not a sinkprune trace");
  if (trace.version !== 1) throw new Error(`trace version ${trace.version} is not known here: this player reads version 1`);
  const grows = previous && previous.id === trace.run && previous.lanes.length === trace.lanes.length;
  if (grows && previous.done) return previous; // stopped or finished: what was still on its way when it ended is not shown
  const { run: id, prompt, model, settings = {}, view = {}, query = null } = trace;
  const run = grows ? previous : { id, prompt, model, settings, view, query, lanes: [] };
  run.trace = trace;
  trace.lanes.forEach((lane, index) => {
    run.lanes[index] ??= emptyLane(lane);
    run.lanes[index].shift = lane.promptLength - run.lanes[0].promptLength; // by a begin token before the prompt
    growLane(run.lanes[index], lane);
  });
  run.done = run.lanes.every((lane) => lane.done);
  run.steps = Math.max(0, ...run.lanes.map((lane) => lane.frames.length));
  return run;
}

function emptyLane(source) {
  const { kind, title, model, promptLength, length, maskId, maskText } = source;
  const lane = { kind, title, model, promptLength, length, maskId, maskText: maskText ?? "mask", frames: [] };
  lane.ids = new Int32Array(length).fill(-1);
  lane.texts = new Array(length).fill("");
  lane.born = new Int32Array(length).fill(NEVER); // the step that committed a position; -1 for the prompt
  lane.certainty = new Float32Array(length).fill(NaN); // stays NaN where no forward pass predicted the token
  lane.replaced = []; // what stood where somebody touched a token: {step: the first that read the change, position, put: its id or -1, id, text, born, certainty}
  for (let i = 0; i < promptLength; i++) {
    lane.ids[i] = source.ids[i];
    lane.texts[i] = String(source.tokens[i]);
    lane.born[i] = -1;
  }
  for (const [position, id, text] of source.given ?? []) { // there from the start, between the blanks
    lane.ids[position] = id;
    lane.texts[position] = String(text);
    lane.born[position] = -1;
  }
  return lane;
}

function growLane(lane, source) {
  for (let step = lane.frames.length; step < source.frames.length; step++) {
    const frame = source.frames[step];
    for (const edit of frame.edits ?? []) touchToken(lane, step, edit);
    for (const [position, id, text, certainty] of frame.committed) {
      lane.ids[position] = id;
      lane.texts[position] = String(text);
      lane.born[position] = step;
      lane.certainty[position] = certainty;
    }
    for (const [position, id, text] of frame.filled ?? []) { // the answer had ended: no forward pass predicted these
      lane.ids[position] = id;
      lane.texts[position] = String(text);
      lane.born[position] = step;
    }
    lane.frames.push(readFrame(frame));
  }
  lane.past = new Map();
  lane.done = source.done;
  lane.text = source.text;
  lane.seconds = source.seconds;
}

// A token that was put there counts as written by the step before, which has shown what stood there until then.
function touchToken(lane, step, [position, id, text]) {
  const { ids, texts, born, certainty } = lane;
  const put = id === lane.maskId ? -1 : id;
  lane.replaced.push({ step, position, put, id: ids[position], text: texts[position], born: born[position], certainty: certainty[position] });
  ids[position] = put;
  texts[position] = put < 0 ? "" : String(text);
  born[position] = put < 0 ? NEVER : step - 1;
  certainty[position] = NaN;
}

// The lane as it was at a step: before a token was touched another one stood there.
export function laneAt(lane, step) {
  const later = lane.replaced.filter((entry) => entry.step > step);
  if (!later.length) return lane;
  if (!lane.past.has(later.length)) {
    const { ids, texts, born, certainty } = lane;
    const past = { ...lane, ids: ids.slice(), texts: texts.slice(), born: born.slice(), certainty: certainty.slice(), replaced: lane.replaced.slice(0, -later.length) };
    for (const { position, id, text, born: when, certainty: sure } of later.reverse()) {
      past.ids[position] = id;
      past.texts[position] = text;
      past.born[position] = when;
      past.certainty[position] = sure;
    }
    lane.past.set(later.length, past);
  }
  return lane.past.get(later.length);
}

// Everything that happened at a position of a lane, in order: [[step, token id, -1 for a mask], …].
export function historyOf({ replaced, born, ids }, position) {
  const history = [];
  let put = -1;
  for (const entry of replaced) {
    if (entry.position !== position) continue;
    if (entry.born < entry.step && put < 0) history.push([entry.born, entry.id]);
    put = entry.put;
    history.push([entry.step, put]);
  }
  if (put < 0 && born[position] < NEVER) history.push([born[position], ids[position]]);
  return history;
}

function readFrame(frame) {
  const { block, nfe, seconds, visible } = frame;
  return {
    block, nfe, seconds, visible,
    rows: [frame.rows[0], frame.rows[1]],
    committed: frame.committed.map((entry) => entry[0]),
    share: decodeShares(frame.share),
    confidence: decodeBytes(frame.confidence),
    packedHeads: frame.heads,
    packedLayers: frame.layers,
    candidates: new Map(frame.candidates), // position -> [[text, probability], …]
    packedValues: frame.values,
    changes: { kept: frame.kept, covered: frame.covered, heads: frame.leftOut }, // read by left_out.js
  };
}

// (L x H x N) bytes, 255 sqrt(share): decoded when first asked for, because most frames never show them.
// Null while they are not here: a page sends them when somebody looks at them (heads_source.js).
export function headsOf(frame) {
  if (!frame.heads && frame.packedHeads) frame.heads = decodeBytes(frame.packedHeads);
  return frame.heads ?? null;
}

// "prompt" | "masked" | "revealed" (by this very step) | "settled" | "absent" (an autoregressive position not reached yet)
export function tokenState(lane, position, step) {
  const born = lane.born[position];
  if (born < 0) return "prompt";
  if (born < step) return "settled";
  if (born === step) return "revealed";
  return lane.kind === "ar" ? "absent" : "masked";
}

// The token ids that the forward pass of `step` read: before its own commit.
export function canvasIds(whole, step) {
  const lane = laneAt(whole, step);
  const ids = [];
  for (let position = 0; position < lane.length; position++) {
    if (lane.born[position] < step) ids.push(lane.ids[position]);
    else if (lane.kind === "ar") break;
    else ids.push(lane.maskId);
  }
  return ids;
}

// Attention received in units of the mean (1 = uniform) at `step`, for all heads, one layer or one head.
// scope: {layer: index | null, head: index | null}. All zero while the heads it needs are not here.
export function massOf(run, lane, step, scope) {
  const key = `${scope.layer ?? "*"},${scope.head ?? "*"}`;
  if (lane.massKey !== key) {
    lane.massKey = key;
    lane.masses = [];
  }
  return (lane.masses[step] ??= computeMass(run, lane, lane.frames[step], scope));
}

// Lengths of value vectors at `step` in units of the layer's median, mean over layers or of one; NaN where there is none, null if not recorded.
export function valuesOf({ model }, { frames, length }, step, { layer }) {
  const frame = frames[step];
  if (!frame.packedValues) return null;
  frame.values ??= decodeBytes(frame.packedValues);
  const values = new Float32Array(length).fill(NaN);
  const layers = layer == null ? Array.from({ length: model.layers }, (_, index) => index) : [layer];
  for (let position = 0; position < length; position++) {
    const levels = layers.map((index) => frame.values[index * length + position]).filter((level) => level > 0);
    if (levels.length) values[position] = levels.reduce((sum, level) => sum + 4 * (level / 255) ** 2, 0) / levels.length;
  }
  return values;
}

// True for a scope that can only be computed from the heads of every step.
export function needsHeads(run, scope) {
  return scope.head != null || (scope.layer != null && run.lanes.some((lane) => lane.frames.some((frame) => !frame.packedLayers)));
}

function computeMass({ model }, lane, frame, scope) {
  const n = lane.length;
  const mass = new Float32Array(n);
  if (scope.layer == null && scope.head == null) {
    for (let i = 0; i < n; i++) mass[i] = frame.share[i] * frame.visible;
    return mass;
  }
  if (scope.head == null && frame.packedLayers) { // the mean of a layer comes with every frame
    frame.layers ??= decodeShares(frame.packedLayers);
    for (let i = 0; i < n; i++) mass[i] = frame.layers[scope.layer * n + i] * frame.visible;
    return mass;
  }
  const heads = headsOf(frame);
  if (!heads) return mass;
  const rows = headRows(model, scope).filter((row) => headExists(heads, row, n));
  const unit = frame.visible / (255 * 255 * rows.length);
  for (const row of rows) {
    for (let i = 0, at = row * n; i < n; i++, at++) mass[i] += heads[at] * heads[at] * unit;
  }
  return mass;
}

// False for a head that a structured cut removed: it gives out nothing, where the shares of any other head sum to 1.
export function headExists(heads, row, length) {
  for (let at = row * length; at < (row + 1) * length; at++) if (heads[at]) return true;
  return false;
}

// Rows (layer x heads + head) of the heads array that a scope averages over.
export function headRows(model, scope) {
  const rows = [];
  for (let layer = 0; layer < model.layers; layer++) {
    for (let head = 0; head < model.heads; head++) {
      const chosen = (scope.layer == null || scope.layer === layer) && (scope.head == null || scope.head === head);
      if (chosen) rows.push(layer * model.heads + head);
    }
  }
  return rows;
}

// The share of one head's attention that a position receives; null where the head was removed, undefined while the heads are not here.
export function headShare({ lane, run }, step, position, column) {
  const heads = headsOf(lane.frames[step]);
  if (!heads) return undefined;
  const row = column.layer * run.model.heads + column.head;
  return headExists(heads, row, lane.length) ? (heads[row * lane.length + position] / 255) ** 2 : null;
}
