// Predict, then reveal: a question whose answer shows only after the visitor has chosen. The answer comes from the model's recordings.

export function predictionForm(prediction, revealed) {
  const form = document.createElement("form");
  form.className = "gu-predict";
  if (!prediction) {
    const missing = document.createElement("p");
    missing.textContent = "Not measured for this model yet, so nothing is claimed here.";
    form.append(missing);
    revealed();
    return form;
  }
  const group = document.createElement("fieldset");
  const legend = document.createElement("legend");
  legend.textContent = prediction.question;
  group.append(legend, ...prediction.options.map(option));
  const button = document.createElement("button");
  button.className = "gu-main";
  button.textContent = "Reveal";
  const answer = document.createElement("p");
  answer.className = "gu-answer";
  answer.setAttribute("role", "status");
  form.append(group, button, answer);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const chosen = form.querySelector("input:checked");
    if (!chosen) {
      answer.textContent = "Choose one first: a guess is enough.";
      return;
    }
    const right = prediction.options.find(({ name }) => name === prediction.right);
    const hit = chosen.value === prediction.right;
    answer.textContent = `${hit ? "As you predicted" : "Measured"}: ${right.text.toLowerCase()}. ${prediction.shows}`;
    group.disabled = true;
    button.remove();
    revealed();
  });
  return form;
}

function option({ name, text }) {
  const label = document.createElement("label");
  const input = document.createElement("input");
  input.type = "radio";
  input.name = "gu-prediction";
  input.value = name;
  label.append(input, text);
  return label;
}
