// What the microscope says in words: the same derivation as its pictures, for those who read or hear it.

import { visible } from "./microscope_tokens.js";

const NAMES = { q: "query", k: "key", v: "value", o: "output", gate: "gate", up: "up", down: "down" };

export function aboutWords({ source, prompt, layer, linear, sparsity, rule, sequences, model }) {
  const text = source === "prompt" ? `the prompt “${prompt}” with the model's answer` : `the first of ${sequences} calibration sequences`;
  return `Model ${model}: the ${NAMES[linear]} projection of layer ${layer + 1}, ${percent(sparsity, 0)} of each row goes, sinks by the ${rule} rule. Shown is ${text}.`;
}

export function sumWords({ row, flippedRow, flipped, widths, linear }) {
  return `In the whole row ${row}, ${flippedRow} of ${widths[linear][1]} decisions flip because sinks are weighted down; in the whole projection ${percent(flipped, 2)}. The framed line is row ${row}.`;
}

export function tokenWords(value, level, token) {
  const sink = value.sinks[level][token] === "1";
  const mass = value.mass[level][token];
  const gives = best(value.columns.map((_, column) => value.shares(level, token, column)), 1)[0];
  return `Token ${token}, ${quoted(value, level, token)}: it receives ${mass.toFixed(2)} times the mean attention; the line is at ${value.threshold[level].toFixed(2)}, `
    + `so it is ${sink ? "a sink" : "no sink"} and counts ${value.omega[level][token].toFixed(2)}. Of the inputs shown it gives most to ${value.columns[gives.at]}: ${percent(gives.share)} of that squared norm.`;
}

export function weightWords(value, level, { row, column }) {
  const at = (name) => value[name][row][column];
  const [goes, before] = [value.goes[row][column] === "1", value.goesPlain[row][column] === "1"];
  const tokens = best(value.tokens.map((_, token) => value.shares(level, token, column)), 3).filter(({ share }) => share > 0.02)
    .map(({ at: token, share }) => `${quoted(value, level, token)} ${percent(share)}`);
  const size = Math.abs(at("weight"));
  const verdict = (gone) => (gone ? "goes" : "stays");
  const against = (cut) => (cut ? ` (cut at ${number(cut[row])})` : "");
  return `Row ${value.rows[row]}, input ${value.columns[column]}: ${number(size)} × ${number(value.norm[column])} = ${number(at("score"))}${against(value.cut)}: ${verdict(goes)}. `
    + `With every token counting 1: ${number(size)} × ${number(value.normPlain[column])} = ${number(at("scorePlain"))}${against(value.cutPlain)}: ${verdict(before)}. `
    + `${goes === before ? "The sink weight changes nothing here." : "This decision flips."} Here the input comes most from ${tokens.join(", ") || "many tokens alike"}.`;
}

function quoted(value, level, token) {
  return value.masked[level][token] === "1" ? "a hidden token" : `“${visible(value.tokens[token]).trim()}”`;
}

function best(shares, count) {
  return shares.map((share, at) => ({ share, at })).sort((a, b) => b.share - a.share).slice(0, count);
}

function number(value) {
  return Number(value.toPrecision(4)).toString();
}

function percent(share, digits = 0) {
  return `${(100 * share).toFixed(digits)} %`;
}
