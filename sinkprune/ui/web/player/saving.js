// A run as text: the trace with all its heads, which `sinkprune` and this player open again, and a page that plays it without a server.

import { headsOf } from "./trace.js";

// The whole trace, opening with this look. Every frame must have its heads (HeadsSource.loadAll).
export function wholeTrace(run, look) {
  const lanes = run.trace.lanes.map((lane, index) => ({
    ...lane,
    frames: lane.frames.map((frame, step) => wholeFrame(frame, run.lanes[index].frames[step])),
  }));
  const { query, ...trace } = run.trace;
  return { ...trace, lanes, view: look };
}

function wholeFrame({ layers, ...frame }, read) {
  return { ...frame, heads: frame.heads ?? encodeBytes(headsOf(read)) };
}

export function encodeBytes(bytes) {
  const parts = [];
  for (let at = 0; at < bytes.length; at += 8192) parts.push(String.fromCharCode(...bytes.subarray(at, at + 8192)));
  return btoa(parts.join(""));
}

// What made the run, in a line.
export function origin({ model, settings, lanes }) {
  const made = Object.entries(settings).filter(([, value]) => value != null && typeof value !== "object");
  const seconds = lanes.map((lane) => `${lane.title}: ${lane.nfe} forward passes, ${lane.seconds.toFixed(1)} s`);
  return [`model ${model.name}`, ...seconds, ...made.map(([name, value]) => `${name} ${value}`)].join(" · ");
}

// One file that plays the trace: style, modules and data inside, nothing fetched. Texts of the trace stay data: "<" never reaches the parser.
export async function standalonePage(trace) {
  const files = ["player/saved.html", "player/player.html", "player/player.css"].map(read);
  const [page, template, style] = await Promise.all(files);
  const modules = Object.entries(await readModules("player/main.js"));
  const parts = {
    prompt: escapeText(trace.prompt),
    origin: escapeText(origin(trace)),
    style,
    player: template.replace(/<link[^>]*>\s*/, "").replaceAll("{{tag}}", "saved"),
    trace: escapeJson(trace),
    imports: escapeJson({ imports: Object.fromEntries(modules.map(([name, source]) => [`saved/${name}`, dataAddress(source)])) }),
  };
  return page.replace(/{{(\w+)}}/g, (_, name) => parts[name]);
}

// Names of files are told from here. Not a constant: a saved page has no such place.
function root() {
  return new URL("..", import.meta.url);
}

async function read(name) {
  const answer = await fetch(new URL(name, root()));
  if (!answer.ok) throw new Error(`${name} could not be read from the page`);
  return answer.text();
}

const IMPORTED = /from "(\.[\w./]+)";/g;

// Every module that `name` needs, {name: source}, their imports renamed to what the import map of the saved page knows.
async function readModules(name, found = {}) {
  found[name] = "";
  const source = await read(name);
  const nameOf = (needed) => new URL(needed, new URL(name, root())).href.slice(root().href.length);
  for (const [, needed] of source.matchAll(IMPORTED)) if (!(nameOf(needed) in found)) await readModules(nameOf(needed), found);
  found[name] = source.replaceAll(IMPORTED, (_, needed) => `from "saved/${nameOf(needed)}";`);
  return found;
}

function dataAddress(source) {
  return `data:text/javascript;base64,${encodeBytes(new TextEncoder().encode(source))}`;
}

function escapeJson(value) {
  return JSON.stringify(value).replaceAll("<", "\\u003c");
}

function escapeText(text) {
  return String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
