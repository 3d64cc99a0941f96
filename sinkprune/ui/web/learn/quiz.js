// One question of the quiz: every answer, right or wrong, gives its reason at once, and another may be tried.

// answered(number, right): called with every choice
export function quizQuestion({ question, options }, number, answered) {
  const item = document.createElement("li");
  const group = document.createElement("fieldset");
  const legend = document.createElement("legend");
  legend.textContent = `${number + 1}. ${question}`;
  const why = document.createElement("p");
  why.className = "ls-why";
  why.setAttribute("role", "status");
  group.append(legend, ...options.map((option) => choice(option, `ls-question-${number}`, () => {
    const verdict = document.createElement("b");
    verdict.textContent = option.right ? "✓ Right. " : "✗ Not this one. ";
    why.replaceChildren(verdict, option.why);
    answered(number, Boolean(option.right));
  })), why);
  item.append(group);
  return item;
}

function choice({ text }, name, chosen) {
  const label = document.createElement("label");
  const input = document.createElement("input");
  input.type = "radio";
  input.name = name;
  input.addEventListener("change", chosen);
  label.append(input, text);
  return label;
}
