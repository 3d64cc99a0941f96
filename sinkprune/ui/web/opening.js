// Presses what a link asks for, once the page has taken the link's values. said: why nothing may start, or "".
// Pressing the button keeps one way to run: waiting, stopping and messages are those of any other run.
// The press waits for the section's player, because Gradio loses what comes for a component that is just starting.
(said) => {
  if (said) return;
  const asked = new URLSearchParams(location.search);
  const tab = asked.get("tab") ?? "watch";
  const wanted = tab === "compare" && asked.has("method") ? "#compare-run"
    : tab === "whatif" && asked.has("change") ? "#what-if-run"
    : tab === "watch" && asked.has("preset") ? `#presets input[value="${CSS.escape(asked.get("preset"))}"]`
    : tab === "watch" && asked.has("lanes") ? "#run" : null;
  if (!wanted) return;
  const player = { watch: "#watch-player", compare: "#compare-player", whatif: "#what-if-player" }[tab];
  const press = (tries) => {
    const button = document.querySelector(wanted);
    const started = document.querySelector(`${player} :is(.sp-player[data-ready], [data-error])`);
    if (button && !button.disabled && started) button.click();
    else if (tries) setTimeout(press, 100, tries - 1);
  };
  setTimeout(press, 0, 300);
}
