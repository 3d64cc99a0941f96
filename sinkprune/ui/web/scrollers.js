// A table wider than the screen scrolls by itself, and the keyboard must reach it; one that fits is no stop on the way.
const reach = () => {
  for (const table of document.querySelectorAll(".numbers table")) {
    if (table.scrollWidth > table.clientWidth) table.tabIndex = 0;
    else table.removeAttribute("tabindex");
  }
};
new ResizeObserver(reach).observe(document.body); // the page's height changes with every tab, accordion and table
