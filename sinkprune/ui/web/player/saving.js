// A run as text: the trace with all its heads, which `sinkprune` and this player open again, and a page that plays it without a server.

import { headsOf } from "./trace.js";

// The whole trace, opening with this scene. Every frame must have its heads (HeadsSource.loadAll).
export function wholeTrace(run, scene) {
  const lanes = run.trace.lanes.map((lane, index) => ({
    ...lane,
    frames: lane.frames.map((frame, step) => wholeFrame(frame, run.lanes[index].frames[step])),
  }));
  const { query, ...trace } = run.trace;
  return { ...trace, lanes, view: scene };
}

function wholeFrame({ layers, ...frame }, read) {
  return { ...frame, heads: frame.heads ?? encodeBytes(headsOf(read)) };
}

export function encodeBytes(bytes) {
  const parts = [];
  for (let at = 0; at < bytes.length; at += 8192) parts.push(String.fromCharCode(...bytes.subarray(at, at + 8192)));
  return btoa(parts.join(""));
}

// One file that plays the trace: style, modules and data inside, nothing fetched. Texts of the trace stay data: "<" never reaches the parser.
export async function standalonePage(trace) {
  const [style, template, modules] = await Promise.all([read("player.css"), read("player.html"), readModules("main.js")]);
  const body = template.replace(/<link[^>]*>\s*/, "").replaceAll("{{tag}}", "saved");
  const imports = Object.fromEntries(Object.entries(modules).map(([name, source]) => [`saved/${name}`, dataAddress(source)]));
  const title = escapeText(`sinkprune: ${trace.prompt}`);
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${PAGE_STYLE}${style}</style>
<body>
<main>
<h1>${escapeText(trace.prompt)}</h1>
<p>${escapeText(origin(trace))}</p>
<div id="player">${body}</div>
</main>
<script type="application/json" id="trace">${JSON.stringify(trace).replaceAll("<", "\\u003c")}</script>
<script type="importmap">${JSON.stringify({ imports })}</script>
<script type="module">
import { mount } from "saved/main.js";
const dark = matchMedia("(prefers-color-scheme: dark)");
const dress = () => document.body.classList.toggle("dark", dark.matches);
dark.addEventListener("change", dress);
dress();
const value = JSON.parse(document.querySelector("#trace").textContent);
mount(document.querySelector("#player"), { value }, null, () => {});
</script>
</body>
</html>
`;
}

// What made the run, in a line.
export function origin({ model, settings, lanes }) {
  const made = Object.entries(settings).filter(([, value]) => value != null && typeof value !== "object");
  const seconds = lanes.map((lane) => `${lane.title}: ${lane.nfe} forward passes, ${lane.seconds.toFixed(1)} s`);
  return [`model ${model.name}`, ...seconds, ...made.map(([name, value]) => `${name} ${value}`)].join(" · ");
}

const PAGE_STYLE = `
:root { color-scheme: light dark; --font: system-ui, sans-serif; }
body { margin: 0; --body-background-fill: #fbfaf7; --body-text-color: #1d1c1a; background: var(--body-background-fill); color: var(--body-text-color); font-family: var(--font); }
body.dark { --body-background-fill: #141416; --body-text-color: #ecebe8; }
main { max-width: 1216px; margin: 0 auto; padding: 24px 20px 48px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0; overflow-wrap: anywhere; }
main > p { margin: 6px 0 24px; font-size: 13px; overflow-wrap: anywhere; }
`;

async function read(name) {
  const answer = await fetch(new URL(name, import.meta.url));
  if (!answer.ok) throw new Error(`${name} could not be read from the page`);
  return answer.text();
}

// Every module that `name` needs, {name: source}, their imports renamed to what the import map of the saved page knows.
async function readModules(name, found = {}) {
  found[name] = "";
  const source = await read(name);
  for (const [, needed] of source.matchAll(/from "\.\/([\w.]+)";/g)) if (!(needed in found)) await readModules(needed, found);
  found[name] = source.replaceAll(/from "\.\/([\w.]+)";/g, 'from "saved/$1";');
  return found;
}

function dataAddress(source) {
  return `data:text/javascript;base64,${encodeBytes(new TextEncoder().encode(source))}`;
}

function escapeText(text) {
  return String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
