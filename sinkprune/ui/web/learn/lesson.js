// Quiz, worksheet, the paper's claims and the glossary: what the Learn tab says below the microscope. Nothing here asks the server.

import { quizQuestion } from "./quiz.js";
import { printSheet, sheet } from "./worksheet.js";

export function mount(element, props) {
  const root = element.querySelector(".ls");
  drawQuiz(root, props.quiz);
  const home = props.home || location.origin + location.pathname;
  root.querySelector(".ls-sheet").append(sheet(props.worksheet, home, { lines: false }));
  for (const button of root.querySelectorAll("[data-print]")) {
    button.addEventListener("click", () => printSheet(props.worksheet, home, button.dataset.print, props.model));
  }
  root.querySelector("tbody").append(...props.claims.map((claim) => claimRow(claim)));
  const words = Object.entries(props.glossary).sort(([a], [b]) => a.localeCompare(b, "en", { sensitivity: "base" }));
  root.querySelector(".ls-glossary").append(...words.map(([term, sentence]) => {
    const entry = make("div");
    entry.append(make("dt", term), make("dd", sentence));
    return entry;
  }));
}

function drawQuiz(root, quiz) {
  const right = new Map(); // question -> whether its first answer was right
  const answered = (number, first) => {
    if (!right.has(number)) right.set(number, first);
    const hits = [...right.values()].filter(Boolean).length;
    root.querySelector(".ls-score").textContent = right.size < quiz.length ? "" : `All answered: ${hits} of ${quiz.length} right at the first try.`;
  };
  root.querySelector(".ls-questions").append(...quiz.map((question, number) => quizQuestion(question, number, answered)));
}

function claimRow({ paper, claim, see, link, shows, verdict }) {
  const row = make("tr");
  const head = make("th", paper);
  head.scope = "row";
  const place = make("td");
  const anchor = make("a", see);
  anchor.href = link;
  place.append(anchor);
  const judged = make("td", verdict);
  judged.className = "ls-verdict";
  judged.dataset.verdict = verdict;
  row.append(head, make("td", claim), place, make("td", shows), judged);
  return row;
}

function make(name, text = "") {
  const element = document.createElement(name);
  element.textContent = text;
  return element;
}
