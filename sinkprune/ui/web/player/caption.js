// One line of plain words about a step, made by rules from the trace: at which tokens the forward pass looked, and which it wrote. It is
// about the first lane, with which the others are compared.

import { isEnd } from "../shared/tokens.js";
import { times, tokenWords } from "./words.js";

const NUMBERS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];
const MARKS = { ".": "a full stop", ",": "a comma", "?": "a question mark", "!": "an exclamation mark", ":": "a colon", "\n": "a line break" };

export function captionOf(scenes, stepOf) {
  const [scene] = scenes;
  const { lane, parting } = scene;
  if (!lane.frames.length) return "";
  const step = stepOf(scene);
  if (lane.done && step === lane.frames.length - 1) return doneWords(scenes);
  const clauses = [leadWords(scene, step), parting?.step === step ? partingClause(scenes, parting) : writtenWords(scene, step)];
  if (lastOfBlock(lane, step)) clauses.push("the block is full");
  return clauses.map(sentence).join(" ");
}

function sentence(clause) {
  return `${clause[0].toUpperCase()}${clause.slice(1)}.`;
}

// Where the most attention goes, and whether that is new.
function leadWords(scene, step) {
  const { lane, track, scope } = scene;
  const leader = track.leaders[step];
  const where = placeWords(scope);
  if (leader < 0) return `${where}no token stands out`;
  const before = track.leaders.slice(0, step).findLast((position) => position >= 0);
  const token = described(lane, leader, step);
  if (before == null) return `${where}most attention goes to ${token}`;
  if (before === leader) return `${where}${token} keeps the most attention`;
  return `${where}the lead jumps to ${token}`;
}

function placeWords({ layer, head }) {
  const places = [layer == null ? "" : `layer ${layer + 1}`, head == null ? "" : `head ${head + 1}`].filter(Boolean);
  return places.length ? `in ${places.join(", ")} ` : "";
}

// A token as the forward pass of this step read it, with what is worth knowing of it.
function described(lane, position, step) {
  const born = lane.born[position];
  if (born >= step) return lane.kind === "ar" ? "the newest token" : "a mask";
  const text = lane.texts[position];
  const kind = MARKS[text.trim() || text];
  const name = tokenWords(lane, position);
  const age = born < 0 ? "" : born === step - 1 ? "(just written)" : `(written ${step - born} steps ago)`;
  return [kind ?? name, age].filter(Boolean).join(" ");
}

function writtenWords({ lane }, step) {
  const written = lane.frames[step].committed;
  const words = written.filter((position) => !isEnd(lane.texts[position]));
  if (!written.length) return "nothing is written";
  if (!words.length) return written.length === 1 ? "the end mark is written" : `${count(written.length)} end marks are written at once`;
  const named = words.slice(0, 4).map((position) => tokenWords(lane, position)).join(", ") + (words.length > 4 ? " and more" : "");
  if (words.length > 1) return `${count(written.length)} tokens are written at once: ${named}`;
  if (lane.kind === "ar") return `${named} is added at the end`;
  return leavesGap(lane, words[0], step) ? `${named} is written ahead of words that are still masked` : `${named} is written`;
}

function leavesGap(lane, position, step) {
  return lane.born.subarray(lane.promptLength, position).some((born) => born > step);
}

function partingClause(scenes, { position, step }) {
  const other = scenes[scenes[0].against];
  const shown = [scenes[0], other].map(({ lane }) => (lane.born[position] > step ? "a mask" : tokenWords(lane, position)));
  const where = scenes.length > 2 ? `the lane “${other.lane.title}”` : "the second";
  return `here the two part: ${shown[0]} in the first lane, ${shown[1]} in ${where}`;
}

function lastOfBlock({ frames }, step) {
  return step + 1 < frames.length && frames[step + 1].block !== frames[step].block;
}

function doneWords(scenes) {
  const moved = scenes.map(({ track }) => track.moves.at(-1) ?? 0);
  const [{ lane }] = scenes;
  const words = lane.ids.filter((id, position) => position >= lane.promptLength && id >= 0 && !isEnd(lane.texts[position])).length;
  const first = `The text is finished: ${words} tokens in ${lane.frames.length} model runs. The strongest sink moved ${times(moved[0])}`;
  const others = scenes.slice(1).map((scene, index) => `, in the lane “${scene.lane.title}” ${times(moved[index + 1])}`);
  return `${first}${others.join("")}.`;
}

function count(number) {
  return NUMBERS[number] ?? String(number);
}
