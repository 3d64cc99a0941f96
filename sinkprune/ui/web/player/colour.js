// Colour maps and the one value scale that river, heatmaps and legend share.

// Sixteen or fewer anchors of the two colour-blind safe maps; the tables between them are interpolated here.
const ANCHORS = {
  viridis: "440154 482878 3e4989 31688e 26828e 1f9e89 35b779 6ece58 b5de2b fde725",
  cividis: "00224e 123570 3b496c 575d6d 707173 8a8678 a59c74 c3b369 e1cc55 fee838",
};

// Signed: blue below zero, red above, clear at zero, so that both read on light and on dark surfaces. The figures of results
// (sinkprune/figures/style.py) have the same.
const SIGNED = { below: "2f7fd0", above: "d9432a" };

export const MAPS = Object.keys(ANCHORS);
export const FLOOR = 0.25; // everything at or below a quarter of the mean has the darkest colour

const tables = {};

// 256 colours as Uint32 in ImageData's byte order.
export function colourTable(name) {
  return (tables[name] ??= interpolate(ANCHORS[name].split(" ").map(parseHex)));
}

// The same for differences: levels as `signedLevel` gives them.
export function signedTable() {
  return (tables.signed ??= Uint32Array.from({ length: 256 }, (_, level) => {
    const [r, g, b] = parseHex(level < 127.5 ? SIGNED.below : SIGNED.above);
    const alpha = Math.round(Math.abs(2 * level - 255));
    return ((alpha << 24) | (b << 16) | (g << 8) | r) >>> 0;
  }));
}

function parseHex(text) {
  return [0, 2, 4].map((at) => parseInt(text.slice(at, at + 2), 16));
}

function interpolate(stops) {
  const table = new Uint32Array(256);
  for (let i = 0; i < 256; i++) {
    const at = (i / 255) * (stops.length - 1);
    const left = Math.min(stops.length - 2, Math.floor(at));
    const [r, g, b] = [0, 1, 2].map((c) => Math.round(stops[left][c] + (stops[left + 1][c] - stops[left][c]) * (at - left)));
    table[i] = (255 << 24) | (b << 16) | (g << 8) | r;
  }
  return table;
}

export function cssGradient(name) {
  const stops = ANCHORS[name].split(" ").map((hex) => `#${hex}`);
  return `linear-gradient(to right, ${stops.join(", ")})`;
}

export function signedGradient() {
  return `linear-gradient(to right, #${SIGNED.below}, #${SIGNED.below}00 50%, #${SIGNED.above}00 50%, #${SIGNED.above})`;
}

// The scale ends at a power of two, so that a growing run does not change its colours with every frame.
export function scaleTop(peak) {
  return 2 ** Math.max(2, Math.ceil(Math.log2(Math.max(peak, 1))));
}

// Logarithmic: sinks of 40 times the mean and a background below the mean are both seen.
export function level(mass, top) {
  if (!(mass > FLOOR)) return 0;
  return Math.min(255, Math.round((255 * Math.log2(mass / FLOOR)) / Math.log2(top / FLOOR)));
}

export function legendTicks(top) {
  const ticks = [];
  for (let value = FLOOR; value <= top; value *= 4) ticks.push(value);
  return ticks;
}

export function tickText(value) {
  return value === 0.25 ? "¼" : String(value);
}

// Colours for bytes that hold 255 sqrt(p): p x unit is the mass.
export function byteColours(name, unit, top) {
  const table = colourTable(name);
  const colours = new Uint32Array(256);
  for (let v = 0; v < 256; v++) colours[v] = table[level((v / 255) ** 2 * unit, top)];
  return colours;
}

// Where the signed scale ends: a power of two, at least the mean itself.
export function signedTop(peak) {
  return 2 ** Math.ceil(Math.log2(Math.max(peak, 1)));
}

// A difference of masses on the signed maps: 0 is the middle, the root makes small ones seen.
export function signedLevel(value, top) {
  return Math.round(127.5 + 127.5 * Math.sign(value) * Math.sqrt(Math.min(1, Math.abs(value) / top)));
}
