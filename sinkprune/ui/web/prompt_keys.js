// Enter in the prompt presses the main button of the tab that is open; Shift and Enter begin a new line.
const MAIN = { watch: "#run", compare: "#compare-run", methods: "#all-run" };

document.addEventListener("keydown", (event) => {
  if (!event.target.matches("#prompt textarea") || event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  event.stopPropagation();
  const tab = document.querySelector("#sections [role=tab][aria-selected=true]")?.dataset.tabId;
  document.querySelector(MAIN[tab] ?? MAIN.watch)?.click();
}, { capture: true });
