// A pin: one finished comparison, as it is kept for the visit, exported and imported. Files come from strangers: `checkPin` takes
// nothing but texts and numbers of the right kind and size, and whoever shows a text sets textContent.
// {id, query: "?tab=compare&…", prompt, title, name, pinned, when (ISO), rows: [{name, meaning, dense, pruned}],
//  answers: [dense, pruned], each {title, ids, tokens}, markdown, bibtex}

export const FORMAT = "sinkprune-pins";
export const VERSION = 1;
export const MAX_FILE = 4e6; // characters
const ANSWER = 512; // tokens

const fail = (what) => { throw new Error(`this is not a file of pins: ${what}`); };

function text(value, most, what) {
  if (typeof value !== "string" || value.length > most) fail(`its ${what} must be a text of at most ${most} characters`);
  return value;
}

function list(value, most, what) {
  if (!Array.isArray(value) || value.length > most) fail(`its ${what} must be a list of at most ${most} entries`);
  return value;
}

function checkRow(row) {
  const part = (name) => text(row?.[name], 200, "numbers");
  return { name: part("name"), meaning: part("meaning"), dense: part("dense"), pruned: part("pruned") };
}

function checkAnswer(answer) {
  const ids = list(answer?.ids, ANSWER, "answers");
  const tokens = list(answer?.tokens, ANSWER, "answers");
  if (ids.length !== tokens.length || !ids.every(Number.isInteger)) fail("its answers must have a whole number for each token");
  return { title: text(answer.title, 80, "titles"), ids: [...ids], tokens: tokens.map((token) => text(token, 200, "tokens")) };
}

export function checkPin(raw) {
  const answers = list(raw?.answers, 2, "answers").map(checkAnswer);
  if (answers.length !== 2) fail("a comparison has two answers");
  const query = text(raw.query, 20000, "links");
  if (!query.startsWith("?tab=compare&")) fail("its links must begin with ?tab=compare&");
  const when = new Date(text(raw.when, 40, "times"));
  if (Number.isNaN(when.getTime())) fail("its times must be dates");
  return {
    id: text(raw.id, 64, "ids"),
    query,
    prompt: text(raw.prompt, 1000, "prompts"),
    title: text(raw.title, 80, "titles"),
    name: text(raw.name ?? "", 80, "names"),
    pinned: raw.pinned === true,
    when: when.toISOString(),
    rows: list(raw.rows, 20, "numbers").map(checkRow),
    answers,
    markdown: text(raw.markdown, 40000, "cards"),
    bibtex: text(raw.bibtex, 40000, "citations"),
  };
}

export function writeFile(pins) {
  return JSON.stringify({ format: FORMAT, version: VERSION, pins }, null, 1);
}

// The pins of an exported file. Throws an Error with a sentence for anything else.
export function readFile(content) {
  if (content.length > MAX_FILE) fail("it is too large");
  let file;
  try {
    file = JSON.parse(content);
  } catch {
    fail("it is not JSON");
  }
  if (file?.format !== FORMAT) fail(`its format must be ${FORMAT}`);
  if (file.version !== VERSION) fail(`its version is ${String(file.version).slice(0, 20)}, and this page reads ${VERSION}`);
  const pins = list(file.pins, 100, "pins").map(checkPin);
  if (new Set(pins.map((pin) => pin.id)).size < pins.length) fail("two of its pins have the same id");
  return pins;
}

// [name, value of a, value of b] of every setting that differs, prompt included.
export function differingSettings(a, b) {
  const [first, second] = [a, b].map((pin) => new URLSearchParams(pin.query));
  first.delete("expect");
  second.delete("expect");
  const names = [...new Set([...first.keys(), ...second.keys()])];
  return names.filter((name) => first.get(name) !== second.get(name)).map((name) => [name, first.get(name) ?? "–", second.get(name) ?? "–"]);
}

// Position by position: does the other text hold the same token there? share: of all positions up to the later end.
export function sameTokens(ids, others) {
  const length = Math.max(ids.length, others.length);
  const same = Array.from({ length }, (_, position) => ids[position] === others[position]);
  return { same, share: length ? same.filter(Boolean).length / length : 1 };
}
