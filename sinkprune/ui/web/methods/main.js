// The table of all methods and their texts: redrawn whenever a value comes, sorted by whoever reads it.
// Values: {"run", "rows": [lab.all_methods.MethodRow, …], "refused": [{"method", "sentence"}, …]}; the first row is the dense model's.

import { make } from "../shared/dom.js";
import { COLUMNS, marks, sorted } from "./columns.js";

export function mount(element, props, server, watch) {
  const view = new View(element.querySelector(".mt"), props.empty);
  const update = () => view.show(props.value);
  watch("value", update);
  update();
}

class View {
  constructor(root, empty) {
    this.root = root;
    this.empty = empty;
    this.sort = null; // {key, down}; null is the order in which the methods finished
    this.heads = COLUMNS.map((column) => this.head(column));
    root.querySelector("thead tr").append(...this.heads);
  }

  show(value) {
    const some = Boolean(value?.rows?.length);
    this.value = value;
    this.find(".mt-message").textContent = some ? "" : this.empty;
    this.find(".mt-body").hidden = !some;
    this.root.dataset.rows = some ? value.rows.length : 0;
    if (some) this.draw();
  }

  draw() {
    const [dense, ...copies] = this.value.rows;
    const marked = marks(copies);
    const rows = [dense, ...sorted(copies, this.sort)];
    this.find("tbody").replaceChildren(...rows.map((row) => rowOf(row, marked)));
    this.find(".mt-texts").replaceChildren(...rows.map((row) => textOf(row, dense)));
    this.find(".mt-refused").replaceChildren(...this.value.refused.map((one) => make("li", `${one.method}: ${one.sentence}`)));
    COLUMNS.forEach((column, i) => {
      const here = this.sort?.key === column.key;
      this.heads[i].setAttribute("aria-sort", here ? (this.sort.down ? "descending" : "ascending") : "none");
    });
  }

  head(column) {
    const cell = make("th");
    cell.scope = "col";
    const button = make("button", column.label);
    button.type = "button";
    button.title = column.meaning;
    button.addEventListener("click", () => this.sortBy(column));
    cell.append(button);
    return cell;
  }

  sortBy({ key, label, better }) {
    const first = better === "more";
    const again = this.sort?.key === key;
    this.sort = again && this.sort.down !== first ? null : { key, down: again ? !this.sort.down : first };
    this.draw();
    const order = this.sort ? `${this.sort.down ? "descending" : "ascending"} by ${label}` : "in the order they finished";
    this.find(".mt-spoken").textContent = `Sorted ${order}.`;
  }

  find(selector) {
    return this.root.querySelector(selector);
  }
}

function rowOf(row, marked) {
  const line = make("tr");
  line.dataset.method = row.method;
  line.append(
    ...COLUMNS.map((column, i) => {
      const cell = make(i ? "td" : "th");
      if (!i) cell.scope = "row";
      cell.append(make("span", column.show(row)));
      const detail = column.detail?.(row);
      if (detail) cell.append(make("small", detail));
      const mark = marked.get(column.key)?.get(row.method);
      if (mark) {
        cell.dataset.mark = mark;
        cell.append(make("small", mark === "best" ? "▲ best" : "▼ worst", "mt-mark"));
      }
      return cell;
    }),
  );
  return line;
}

function textOf(row, dense) {
  const card = make("article");
  const shared = row.method === "dense" ? 0 : sharedStart(row.text, dense.text);
  const text = make("p", "", "mt-text");
  if (shared) text.append(make("span", row.text.slice(0, shared), "mt-same"));
  if (row.method !== "dense" && row.text !== dense.text) text.append(make("span", "", "mt-parting"));
  text.append(row.text.slice(shared));
  if (!row.text.trim()) text.append(make("em", "It ended at once."));
  const same = row.method !== "dense" && row.text === dense.text ? ", the same text as the dense model's" : "";
  card.append(make("h4", row.method), text, make("p", `${row.tokens} tokens, ${row.forwards} forwards${same}`, "mt-note"));
  return card;
}

function sharedStart(text, other) {
  let end = 0;
  while (end < text.length && end < other.length && text[end] === other[end]) end += 1;
  const inside = end < text.length || end < other.length;
  return inside ? text.slice(0, end).search(/\S*$/) : end; // whole words only
}
