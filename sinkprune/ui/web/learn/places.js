// Where the guide points: the one table of the page's elements that the guide needs. tests/browser/test_guide_page.py checks them.

export const PLACES = {
  player: "#watch-player .sp-player",
  play: "#watch-player .sp-player [data-do=toggle]",
  chips: "#watch-player .sp-player .sp-chips",
  next: "#watch-player .sp-player [data-do=nextMove]",
  methods: "#method",
  scope: "#microscope",
  own: "#scope-run",
  findings: "#verdict",
  quiz: "#lesson-quiz",
};

export const TABS = { watch: "Watch the sinks", compare: "Prune and compare", table: "Results", learn: "Learn" };

export const find = (name) => document.querySelector(PLACES[name]);

// Open a tab of the page by its name above.
export function openTab(name) {
  const tabs = [...document.querySelectorAll("#sections [role=tablist] [role=tab]")];
  const tab = tabs.find((button) => button.textContent.trim() === TABS[name] && button.offsetParent);
  if (tab && tab.getAttribute("aria-selected") !== "true") tab.click();
}
