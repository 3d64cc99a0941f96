// The frame that is shown as one picture: canvases and texts where the page has them, controls left out and the gaps closed.

import { paintElement, paintText } from "./paint.js";

const MARGIN = 24;
const GAP = 14; // between bands that the page keeps apart by controls
const LINE = 17; // of the caption
const PARTS = ".sp-head, .sp-text, .sp-stage, .sp-verdict, .sp-readout, .sp-legend, .sp-difference, .sp-panel";

// {canvas, repaint}: a canvas `scale` times the size on the page; repaint puts the frame that is shown then into the same layout.
export function drawPicture({ root, drawing: { theme } }, caption, scale = 2) {
  const grid = root.querySelector(".sp-grid");
  const home = grid.getBoundingClientRect();
  const bands = stack([...grid.querySelectorAll(PARTS)].filter((part) => part.checkVisibility() && !part.parentElement.closest(PARTS)), home);
  const canvas = document.createElement("canvas");
  canvas.width = 2 * Math.round(((home.width + 2 * MARGIN) * scale) / 2); // even, as films need it
  const context = canvas.getContext("2d");
  const font = `12px ${theme.font}`;
  const lines = wrap(context, font, caption, home.width);
  canvas.height = 2 * Math.round(((bands.height + GAP + lines.length * LINE + 2 * MARGIN) * scale) / 2);
  const repaint = () => {
    const { left, top } = grid.getBoundingClientRect();
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.fillStyle = theme.surface;
    context.fillRect(0, 0, canvas.width, canvas.height);
    for (const { part, up } of bands.parts) {
      context.setTransform(scale, 0, 0, scale, scale * (MARGIN - left), scale * (MARGIN - top - up));
      paint(context, part, theme);
    }
    context.setTransform(scale, 0, 0, scale, 0, 0);
    Object.assign(context, { font, textBaseline: "top", textAlign: "left", fillStyle: theme.muted });
    lines.forEach((line, index) => context.fillText(line, MARGIN, MARGIN + bands.height + GAP + index * LINE, home.width));
  };
  repaint();
  return { canvas, repaint };
}

function wrap(context, font, text, width) {
  context.font = font;
  const lines = [""];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (lines.at(-1) && context.measureText(longer).width > width) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  return lines;
}

// Parts that overlap in height form a band; bands follow each other closely. up: how far a part moves up.
function stack(parts, home) {
  const boxes = parts.map((part) => ({ part, box: part.getBoundingClientRect() })).sort((a, b) => a.box.top - b.box.top);
  const moved = [];
  let [top, bottom, start] = [0, 0, 0]; // of the band on the page, and where it begins in the picture
  boxes.forEach(({ part, box }, index) => {
    const from = box.top - home.top;
    if (!index || from >= bottom) {
      if (index) start += bottom - top + GAP;
      top = bottom = from;
    }
    bottom = Math.max(bottom, box.bottom - home.top);
    moved.push({ part, up: top - start });
  });
  return { parts: moved, height: start + bottom - top };
}

function paint(context, element, theme) {
  if (element.matches(".sp-waiting, .sp-spinner, .sp-hint") || !element.checkVisibility()) return;
  if (element.matches("canvas")) {
    const { left, top, width, height } = element.getBoundingClientRect();
    if (element.width && width) context.drawImage(element, left, top, width, height);
    return;
  }
  if (element.matches(".sp-gradient")) paintScale(context, element);
  else paintElement(context, element, theme);
  for (const child of element.childNodes) {
    if (child.nodeType === Node.ELEMENT_NODE) paint(context, child, theme);
    else if (child.nodeType === Node.TEXT_NODE) paintText(context, child);
  }
}

// The colours of a legend, from its own CSS.
function paintScale(context, element) {
  const { left, top, width, height } = element.getBoundingClientRect();
  const stops = getComputedStyle(element).backgroundImage.match(/rgba?\([^)]*\)/g) ?? [];
  const gradient = context.createLinearGradient(left, 0, left + width, 0);
  stops.forEach((colour, index) => gradient.addColorStop(index / Math.max(1, stops.length - 1), colour));
  context.fillStyle = gradient;
  context.fillRect(left, top, width, height);
}
