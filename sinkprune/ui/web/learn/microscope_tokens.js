// Steps 1 and 2: every token with the attention it receives and the weight it gets.

export function drawTokens(place, value, level) {
  const masses = value.mass[level];
  const top = Math.max(...masses, value.threshold[level]);
  const line = (100 * value.threshold[level]) / top;
  place.replaceChildren(...value.tokens.map((text, token) => {
    const sink = value.sinks[level][token] === "1";
    const masked = value.masked[level][token] === "1";
    const chip = make("span", `ms-token${sink ? " ms-sink" : ""}${masked ? " ms-masked" : ""}`);
    chip.dataset.token = token;
    const mass = make("span", "ms-mass");
    const bar = make("i");
    bar.style.height = `${(100 * masses[token]) / top}%`;
    const threshold = make("u");
    threshold.style.bottom = `${line}%`;
    mass.append(bar, threshold);
    const name = make("b");
    name.textContent = masked ? "▒" : visible(text);
    const omega = make("span", "ms-omega");
    const filled = make("i");
    filled.style.width = `${100 * value.omega[level][token]}%`;
    omega.append(filled);
    chip.append(mass, name, omega);
    return chip;
  }));
}

// Lit by how much each token gives to the chosen input; the chosen token itself is marked.
export function lightTokens(root, value, level, chosen) {
  for (const chip of root.querySelectorAll(".ms-token")) {
    const token = Number(chip.dataset.token);
    const share = chosen.token == null ? value.shares(level, token, chosen.column) : 0;
    const lit = share > 0.02;
    chip.classList.toggle("ms-lit", lit);
    chip.classList.toggle("ms-here", chosen.token === token);
    if (lit) chip.style.setProperty("--ms-lit", `${(0.5 + 5 * share).toFixed(1)}px`);
  }
}

export function visible(text) {
  return text.replaceAll("\n", "⏎").replace(/^ +$/, "␣") || "∅";
}

function make(name, className = "") {
  const element = document.createElement(name);
  if (className) element.className = className;
  return element;
}
