// The guide: seven cards that drive the page. Each card opens its tab, lights its place, says what to do, and notices when it is done.
// State for tests stands on the element .gu: data-card (1 to 7), data-done.

import { withTerms } from "./glossary.js";
import { DONE, stateOfPage } from "./hooks.js";
import { Light } from "./light.js";
import { find, openTab } from "./places.js";
import { predictionForm } from "./predict.js";

const KEPT = "sinkprune-guide"; // in localStorage: "dismissed"
const LOOK_EVERY_MS = 250;
const TAB_MS = 400; // a tab that opens for the first time takes a moment

export function mount(element, { cards, predictions, glossary }) {
  new Guide(element, cards, predictions, glossary);
}

// The card that an address asks for, 1 to count; null where it asks for none that there is.
export function askedCard(search, count) {
  const asked = Number(new URLSearchParams(search).get("card"));
  return Number.isInteger(asked) && asked >= 1 && asked <= count ? asked : null;
}

class Guide {
  constructor(element, cards, predictions, glossary) {
    Object.assign(this, { cards, predictions, glossary, card: null, seen: new Set() });
    this.offer = element.querySelector(".gu-offer");
    this.again = element.querySelector(".gu-again");
    this.template = element.querySelector("template");
    this.light = new Light(() => this.room);
    for (const button of element.querySelectorAll(".gu-start")) button.addEventListener("click", () => this.open(1));
    element.querySelector(".gu-dismiss").addEventListener("click", () => { keep("dismissed"); this.showOffer(); this.again.querySelector("button").focus(); });
    for (const kind of ["click", "input", "keydown"]) document.addEventListener(kind, (event) => this.note(event), true);
    this.showOffer();
    const asked = askedCard(location.search, cards.length);
    if (asked) setTimeout(() => this.open(asked), TAB_MS);
  }

  get room() {
    return matchMedia("(max-width: 999px)").matches && this.root ? this.root.offsetHeight : 0;
  }

  showOffer() {
    const calm = kept() === "dismissed";
    this.offer.hidden = calm || Boolean(this.root);
    this.again.hidden = !calm || Boolean(this.root);
  }

  open(number) {
    if (!this.root) this.build();
    this.off();
    const card = this.cards[number - 1];
    this.card = number;
    this.seen.add(number);
    this.acted = this.revealed = false;
    Object.assign(this.root.dataset, { card: number, done: "false" });
    this.write(card, number);
    address(number);
    openTab(card.tab);
    this.resize();
    const opened = number;
    setTimeout(() => { if (this.card === opened) this.on(card); }, TAB_MS);
    this.find("h2").focus({ preventScroll: true });
  }

  // on: the view, the dimmed rest, the control to press.
  on(card) {
    this.light.on(card.place, card.press);
    this.acted = false; // what the page did by itself is not the visitor's doing
    this.before = stateOfPage(false, this.revealed);
    this.watching = setInterval(() => this.look(), LOOK_EVERY_MS);
  }

  // out: nothing of a card stays.
  off() {
    clearInterval(this.watching);
    this.light.off();
    this.before = null;
  }

  // complete: the visitor did it.
  look() {
    if (this.root.dataset.done === "true" || !DONE[this.card - 1](this.before, stateOfPage(this.acted, this.revealed))) return;
    this.root.dataset.done = "true";
    this.light.calm();
    this.find(".gu-done").textContent = this.card < this.cards.length ? "✓ Done. The next card is ready." : "✓ Done. That was the guide.";
  }

  write(card, number) {
    this.find(".gu-place").textContent = `${number} of ${this.cards.length}`;
    this.find("h2").textContent = card.title;
    this.find(".gu-text").replaceChildren(withTerms(card.text, this.glossary));
    this.find(".gu-task").textContent = card.task;
    this.find(".gu-done").textContent = "";
    const asks = card.predict ? [predictionForm(this.predictions[card.predict], () => { this.revealed = true; this.resize(); })] : [];
    this.revealed ||= !card.predict;
    this.find(".gu-question").replaceChildren(...asks);
    this.find(".gu-body").scrollTop = 0;
    this.find(".gu-contents").value = number;
    this.find(".gu-back").disabled = number === 1;
    this.find(".gu-next").textContent = number < this.cards.length ? "Next" : "Finish";
    [...this.find(".gu-dots").children].forEach((dot, index) => {
      dot.className = index + 1 === number ? "gu-now" : this.seen.has(index + 1) ? "gu-seen" : "";
    });
  }

  build() {
    this.root = this.template.content.firstElementChild.cloneNode(true);
    document.body.append(this.root);
    document.body.classList.add("gu-open");
    this.find(".gu-contents").append(...this.cards.map(({ title }, index) => new Option(`${index + 1}. ${title}`, index + 1)));
    this.find(".gu-dots").append(...this.cards.map(() => document.createElement("i")));
    this.find(".gu-contents").addEventListener("change", ({ target }) => this.open(Number(target.value)));
    this.find(".gu-close").addEventListener("click", () => this.close());
    this.find(".gu-back").addEventListener("click", () => this.open(this.card - 1));
    this.find(".gu-next").addEventListener("click", () => (this.card < this.cards.length ? this.open(this.card + 1) : this.close()));
    this.find(".gu-there").addEventListener("click", () => this.goThere());
    this.root.addEventListener("keydown", (event) => { if (event.key === "Escape") this.close(); });
    new ResizeObserver(() => this.resize()).observe(this.root);
    this.showOffer();
  }

  close() {
    this.off();
    this.root.remove();
    this.root = this.card = null;
    document.body.classList.remove("gu-open");
    this.resize();
    keep("dismissed"); // who has opened it knows where it is
    this.showOffer();
    address(null);
    this.again.querySelector("button").focus();
  }

  goThere() {
    const place = find(this.cards[this.card - 1].press) ?? find(this.cards[this.card - 1].place);
    const target = place?.matches("button, input, select, [tabindex]") ? place : place?.querySelector("button, input, select, [tabindex]") ?? find(this.cards[this.card - 1].place);
    if (target && !target.matches("button, input, select, a[href], [tabindex]")) target.tabIndex = -1;
    target?.focus();
  }

  note({ type, key, target, ctrlKey, metaKey, altKey }) {
    if (!this.root || !(target instanceof Element)) return;
    const typing = target.matches("input:not([type=radio], [type=range], [type=checkbox]), textarea, select");
    if (type === "keydown" && key === "g" && !typing && !ctrlKey && !metaKey && !altKey) this.find("h2").focus();
    if (type === "keydown" && (key === "Tab" || key === "g")) return;
    const card = this.cards[this.card - 1];
    if ([card.place, card.press].some((name) => find(name)?.contains(target))) this.acted = true;
  }

  resize() {
    document.documentElement.style.setProperty("--guide-room", `${this.room}px`);
  }

  find(selector) {
    return this.root.querySelector(selector);
  }
}

// The address keeps the card, and everything else that it said.
function address(card) {
  const url = new URL(location.href);
  if (card) url.searchParams.set("card", card);
  else url.searchParams.delete("card");
  history.replaceState(history.state, "", url);
}

function kept() {
  try {
    return localStorage.getItem(KEPT);
  } catch {
    return null; // a browser that keeps nothing offers the guide again
  }
}

function keep(value) {
  try {
    localStorage.setItem(KEPT, value);
  } catch {
    // see kept
  }
}
