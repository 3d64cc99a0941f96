// What the pins look like: the list, and two of them side by side. Draws what it is told; all texts are set as text.

import { make } from "../shared/dom.js";
import { percent } from "../shared/numbers.js";
import { isEnd } from "../shared/tokens.js";
import { differingSettings, sameTokens } from "./record.js";

export function nameOf(pin) {
  return pin.name || pin.title;
}

function button(text, what, pin, pressed) {
  const element = make("button", text);
  element.type = "button";
  element.dataset.do = what;
  element.dataset.pin = pin.id;
  if (pressed !== undefined) element.setAttribute("aria-pressed", String(pressed));
  return element;
}

export function listEntry(pin) {
  const entry = make("li");
  const head = make("div", "", "pn-head");
  if (pin.pinned) {
    const name = make("input", "", "pn-name");
    Object.assign(name, { type: "text", value: pin.name, placeholder: pin.title, maxLength: 80 });
    name.dataset.pin = pin.id;
    name.setAttribute("aria-label", `Name of the pin ${pin.title}`);
    head.append(name, ...(pin.name ? [make("span", pin.title)] : []));
  } else head.append(make("b", pin.title));
  head.append(make("time", new Date(pin.when).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })));
  const again = make("a", "Run again");
  again.href = pin.query;
  again.target = "_blank";
  again.rel = "noopener";
  const actions = make("div", "", "pn-actions");
  actions.append(
    button(pin.pinned ? "Pinned" : "Pin", "pin", pin, pin.pinned), button("Copy link", "link", pin), button("Markdown", "markdown", pin),
    button("BibTeX + settings", "bibtex", pin), again, button("Remove", "remove", pin),
  );
  entry.append(head, make("p", pin.prompt, "pn-prompt"), make("p", plain(pin.answers[1]), "pn-answer"), actions);
  return entry;
}

export function plain({ tokens }) {
  return tokens.filter((token) => !isEnd(token)).join("").trim() || "It ended at once.";
}

// Fills the part of the page below `root` with the pins a and b.
export function showPair(root, a, b) {
  const find = (selector) => root.querySelector(selector);
  const differ = differingSettings(a, b).map(([name, first, second]) => `${name} ${first} | ${second}`);
  find(".pn-differ").textContent = differ.length ? `Different settings, A | B: ${differ.join(", ")}` : "Both have the same settings.";
  const [, first, second] = find("thead tr").children;
  first.textContent = `A: ${nameOf(a)}`;
  second.textContent = `B: ${nameOf(b)}`;
  find("tbody").replaceChildren(...a.rows.map((row) => pairRow(row, b.rows.find((other) => other.name === row.name))));
  const [mine, other] = [a.answers[1], b.answers[1]];
  const { same, share } = sameTokens(mine.ids, other.ids);
  find(".pn-share").textContent = `${percent(share)} of the positions hold the same token. What is underlined differs from the other text.`;
  find(".pn-texts").replaceChildren(answer(`A: ${nameOf(a)}`, mine, same), answer(`B: ${nameOf(b)}`, other, same));
}

function pairRow(row, other) {
  const line = make("tr");
  const head = make("th", row.name);
  head.scope = "row";
  head.append(make("small", row.meaning));
  line.append(head, cell(row), cell(other ?? { pruned: "–", dense: "–" }));
  return line;
}

function cell({ pruned, dense }) {
  const element = make("td", pruned);
  element.append(make("small", `dense ${dense}`));
  return element;
}

function answer(title, { ids, tokens }, same) {
  const part = make("article");
  const text = make("p", "", "pn-words");
  ids.forEach((_, position) => {
    const token = tokens[position];
    text.append(make(same[position] ? "span" : "mark", isEnd(token) ? " ∎" : token));
  });
  part.append(make("h4", title), text);
  return part;
}
