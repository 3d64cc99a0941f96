// Elements with texts. Texts may be a model's or a stranger's: they are set as text, never as HTML.

export function make(tag, text = "", className = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  if (className) element.className = className;
  return element;
}

// Touches the page only where the text differs.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
