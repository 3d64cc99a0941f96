// Words of the field explain themselves: [[term]] or [[term|shown]] in a text becomes a button that opens the term's sentence below.
// glossary: {term: sentence}

const MARKED = /\[\[([^\]|]+)(?:\|([^\]]+))?\]\]/g;

// Every text node below root that marks terms.
export function linkTerms(root, glossary) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const marked = [];
  while (walker.nextNode()) if (walker.currentNode.data.includes("[[")) marked.push(walker.currentNode);
  for (const node of marked) node.replaceWith(withTerms(node.data, glossary));
}

export function withTerms(text, glossary) {
  const parts = document.createDocumentFragment();
  let end = 0;
  for (const match of text.matchAll(MARKED)) {
    parts.append(text.slice(end, match.index), termButton(match[1], match[2] ?? match[1], glossary));
    end = match.index + match[0].length;
  }
  parts.append(text.slice(end));
  return parts;
}

function termButton(term, shown, glossary) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "lg-term";
  button.textContent = shown;
  button.setAttribute("aria-expanded", "false");
  button.addEventListener("click", () => {
    const open = button.getAttribute("aria-expanded") === "false";
    const holder = button.closest("p, li, figcaption, td") ?? button.parentElement;
    holder.querySelectorAll(".lg-meaning").forEach((old) => old.remove());
    holder.querySelectorAll(".lg-term").forEach((other) => other.setAttribute("aria-expanded", "false"));
    if (!open) return;
    button.setAttribute("aria-expanded", "true");
    const meaning = document.createElement("span");
    meaning.className = "lg-meaning";
    meaning.setAttribute("role", "status");
    holder.append(meaning);
    meaning.textContent = `${term}: ${glossary[term] ?? ""}`;
  });
  return button;
}
