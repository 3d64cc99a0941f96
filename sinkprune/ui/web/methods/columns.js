// The columns of the table: what each shows, in which direction it is better, and which of the pruned copies are best and worst in it.

import { bits, percent, signed } from "../shared/numbers.js";

export const COLUMNS = [
  { key: "method", label: "Method", meaning: "Who wrote it", show: (row) => row.method },
  {
    key: "nats",
    label: "Bits of the dense answer",
    meaning: "Bits per token of the dense model's answer under this copy; below, the difference to the dense model ± its standard error",
    better: "less",
    show: (row) => bits(row.nats).toFixed(2),
    detail: (row) => (row.method === "dense" ? "" : `${signed(bits(row.above_dense), 2)} ± ${bits(row.error).toFixed(2)}`),
  },
  {
    key: "own_nats",
    label: "Bits of its text",
    meaning: "Bits per token of this text under the dense model",
    better: "less",
    show: (row) => bits(row.own_nats).toFixed(2),
  },
  {
    key: "agreement",
    label: "Same tokens",
    meaning: "Share of tokens equal to the dense model's at the same position",
    better: "more",
    show: (row) => percent(row.agreement),
  },
  {
    key: "repeated",
    label: "Repeated 4-grams",
    meaning: "Share of its 4-grams that stood earlier in its text",
    better: "less",
    show: (row) => percent(row.repeated),
  },
  { key: "forwards", label: "Forwards", meaning: "Forward passes for the whole canvas", better: "less", show: (row) => String(row.forwards) },
  {
    key: "write_seconds",
    label: "Write, s",
    meaning: "Seconds for the whole canvas, attention not recorded",
    better: "less",
    show: (row) => row.write_seconds.toFixed(1),
  },
  {
    key: "prune_seconds",
    label: "Prune, s",
    // Not marked: with a star and without one, the seconds hold different work.
    meaning: "Seconds it took to prune this copy, when that was done; *: the dense model was not measured, its statistics came with the page",
    show: (row) => (row.method === "dense" ? "–" : row.prune_seconds.toFixed(1) + (row.recorded ? "*" : "")),
  },
  {
    key: "achieved",
    label: "Pruned",
    meaning: "Share of the layers' weights that are zero, or were removed",
    show: (row) => percent(row.achieved),
  },
  {
    key: "megabytes",
    label: "MB",
    meaning: "Memory of all weights while it writes; zeros take as much as other numbers",
    better: "less",
    show: (row) => row.megabytes.toFixed(0),
  },
];

// key -> method -> "best" | "worst": by the number as it is shown, so that equal numbers are marked alike. An extreme that
// most copies share, such as a size that only structured pruning changes, tells nothing and is not marked.
export function marks(copies) {
  const marked = new Map();
  for (const { key, better, show } of COLUMNS) {
    if (!better || copies.length < 2) continue;
    const values = copies.map((row) => ({ method: row.method, number: parseFloat(show(row)) }));
    const numbers = values.map((one) => one.number);
    const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
    if (low === high) continue;
    const best = better === "less" ? low : high;
    const rare = (number) => 2 * numbers.filter((other) => other === number).length <= numbers.length;
    const extremes = values.filter(({ number }) => (number === low || number === high) && rare(number));
    marked.set(key, new Map(extremes.map((one) => [one.method, one.number === best ? "best" : "worst"])));
  }
  return marked;
}

// A new list; sort: {key, down} or null. Equal rows keep their order.
export function sorted(rows, sort) {
  if (!sort) return [...rows];
  const { key, down } = sort;
  const order = (a, b) => (typeof a[key] === "string" ? a[key].localeCompare(b[key]) : a[key] - b[key]);
  return [...rows].sort((a, b) => (down ? -order(a, b) : order(a, b)));
}
