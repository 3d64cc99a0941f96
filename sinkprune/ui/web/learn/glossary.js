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
  let [from, end] = [0, 0];
  for (const match of text.matchAll(MARKED)) {
    end = match.index + match[0].length;
    const mark = /^[.,:;)]/.exec(text.slice(end))?.[0] ?? ""; // stays on the word's line
    const word = document.createElement("span");
    word.className = "gu-close-up";
    word.append(termButton(match[1], match[2] ?? match[1], glossary), mark);
    parts.append(text.slice(from, match.index), word);
    from = end += mark.length;
  }
  parts.append(text.slice(from));
  return parts;
}

function termButton(term, shown, glossary) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "gu-term";
  button.textContent = shown;
  button.setAttribute("aria-expanded", "false");
  button.addEventListener("click", () => {
    const open = button.getAttribute("aria-expanded") === "false";
    const holder = button.closest("p, li, figcaption, td") ?? button.parentElement;
    holder.querySelectorAll(".gu-meaning").forEach((old) => old.remove());
    holder.querySelectorAll(".gu-term").forEach((other) => other.setAttribute("aria-expanded", "false"));
    if (!open) return;
    button.setAttribute("aria-expanded", "true");
    const meaning = document.createElement("span");
    meaning.className = "gu-meaning";
    meaning.setAttribute("role", "status");
    holder.append(meaning);
    meaning.textContent = `${term}: ${glossary[term] ?? ""}`;
  });
  return button;
}
