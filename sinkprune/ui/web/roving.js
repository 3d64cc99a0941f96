// Tabs and radio buttons are one stop of the Tab key each; arrow keys go from one to the next, as the browser does for radio buttons
// of one name. Gradio gives every radio button a name that no other has, and every tab a stop.
const ITEM = "[role=tab], fieldset input[type=radio]";
const BY = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

const membersOf = (item) => [...item.closest("[role=tablist], fieldset").querySelectorAll(ITEM)].filter((one) => !one.disabled);
const isChosen = (item) => (item.matches("input") ? item.checked : item.getAttribute("aria-selected") === "true");

const arrange = () => {
  for (const item of document.querySelectorAll(ITEM)) {
    const members = membersOf(item);
    const stop = members.find(isChosen) ?? members[0];
    if (item.tabIndex !== (item === stop ? 0 : -1)) item.tabIndex = item === stop ? 0 : -1;
  }
};

document.addEventListener("keydown", (event) => {
  const item = event.target.closest?.(ITEM);
  if (!item || !(event.key in BY)) return;
  const members = membersOf(item);
  const next = members[(members.indexOf(item) + BY[event.key] + members.length) % members.length];
  event.preventDefault();
  next.focus();
  next.click();
  arrange();
});
document.addEventListener("focusin", arrange);
new MutationObserver(arrange).observe(document.body, { subtree: true, attributeFilter: ["aria-selected", "aria-checked"] });
arrange();
