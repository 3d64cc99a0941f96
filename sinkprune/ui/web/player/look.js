// The look: what of a run is looked at, and how. Links, saved runs and recorded runs carry one; each value is checked before it is used.
// {step (of the first lane), layer, head, focus: whole numbers or null; view: name of a view (views.js); marks: sink rule and constant, "reference:2";
//  palette; clock: "steps" | "time"}. What is missing or makes no sense keeps the player's default.

import { CLOCKS } from "./axis.js";
import { MAPS } from "./colour.js";
import { RULES } from "./sinks.js";
import { viewNamed } from "./views.js";

const NUMBERS = { step: 1, layer: 1, head: 1, focus: 0 }; // name -> what links count from

export function lookOf(player) {
  const { scope, view, palette, rule, axis, scenes, focus } = player;
  const step = scenes.length ? player.stepOf(scenes[0]) : null;
  return { step, ...scope, focus: focus.locked, view: view.name, palette, marks: `${rule.name}:${rule.value}`, clock: axis.clock };
}

// raw: {name: text or number}, numbers counted from 0
export function checkLook(raw, { layers, heads }) {
  const look = { step: whole(raw.step, 1e6), layer: whole(raw.layer, layers), head: whole(raw.head, heads), focus: whole(raw.focus, 1e6) };
  const [rule, value] = String(raw.marks ?? "").split(":");
  const { min, max } = RULES[rule] ?? {};
  if (Number(value) >= min && Number(value) <= max) look.rule = { name: rule, value: Number(value) };
  if (viewNamed(raw.view)) look.view = raw.view;
  if (MAPS.includes(raw.palette)) look.palette = raw.palette;
  if (CLOCKS.includes(raw.clock)) look.clock = raw.clock;
  return look;
}

function whole(value, end) {
  const number = value === "" || value == null ? NaN : Number(value);
  return Number.isInteger(number) && number >= 0 && number < end ? number : null;
}

// The address that opens with this look. home: where the page is; query: "?…" that makes the run.
export function lookLink(home, query, look) {
  const parameters = new URLSearchParams(query ?? "");
  for (const [name, value] of Object.entries(look)) {
    if (value != null) parameters.set(name, name in NUMBERS ? value + NUMBERS[name] : value);
  }
  return `${home}?${parameters}`;
}

// The look that an address asks for of the run that `query` makes; null where the address is about another run, or none.
// An address that names no model means any.
export function lookFrom(search, query) {
  const asked = new URLSearchParams(search);
  const made = [...new URLSearchParams(query ?? "")];
  const same = ([name, value]) => asked.get(name) === value || (name === "model" && !asked.has(name));
  if (!made.length || !made.every(same)) return null;
  const raw = Object.fromEntries(asked);
  for (const [name, first] of Object.entries(NUMBERS)) if (raw[name]) raw[name] = Number(raw[name]) - first;
  return raw;
}
