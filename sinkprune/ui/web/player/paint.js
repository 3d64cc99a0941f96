// A small painter of the page's own elements: boxes, borders, chips and words, as the browser has laid them out.

const CHIP_STATES = new Set(["settled", "revealed", "masked"]);

export function paintElement(context, element, theme) {
  if (element.matches(".sp-chip")) {
    paintChip(context, element, theme);
    return;
  }
  const style = getComputedStyle(element);
  for (const { left, top, width, height } of element.getClientRects()) {
    context.fillStyle = style.backgroundColor;
    if (style.borderRadius === "50%") {
      paintDot(context, style, left + width / 2, top + height / 2, width / 2);
      continue;
    }
    context.fillRect(left, top, width, height);
    paintBorder(context, style, "Top", [left, top, left + width, top]);
    paintBorder(context, style, "Left", [left, top, left, top + height]);
  }
}

function paintDot(context, style, x, y, radius) {
  context.beginPath();
  context.arc(x, y, radius - 1, 0, 7);
  context.fill();
  context.lineWidth = 1.5;
  context.strokeStyle = style.borderTopColor;
  context.stroke();
}

function paintBorder(context, style, side, [x, y, toX, toY]) {
  const width = parseFloat(style[`border${side}Width`]);
  if (!width) return;
  context.strokeStyle = style[`border${side}Color`];
  context.lineWidth = width;
  context.setLineDash(style[`border${side}Style`] === "solid" ? [] : [2, 2]);
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(toX, toY);
  context.stroke();
  context.setLineDash([]);
}

// A token's box: its fill or underline by how sure it was, a frame when it is new or in focus, the mark of a sink above.
function paintChip(context, chip, theme) {
  const { state, sink } = chip.dataset;
  const sure = Number(chip.style.getPropertyValue("--sp-sure"));
  for (const { left, top, width, height } of chip.getClientRects()) {
    if (CHIP_STATES.has(state)) {
      const full = state === "masked" ? height * sure : 0.5 + 3.5 * sure;
      context.fillStyle = theme.tint;
      if (state === "masked") context.fillRect(left, top, width, height);
      context.fillStyle = theme.faint;
      context.fillRect(left + 1, top + height - full, width - 2, full);
    }
    if (state === "revealed") {
      context.globalAlpha = 0.2;
      context.fillStyle = theme.accent;
      context.fillRect(left, top, width, height);
      context.globalAlpha = 1;
    }
    context.lineWidth = 1.5;
    context.strokeStyle = chip.matches(".sp-focused") ? theme.ink : theme.accent;
    if (state === "revealed" || chip.matches(".sp-focused")) context.strokeRect(left - 1, top, width + 2, height);
  }
  if (sink) paintSinkMark(context, chip.getClientRects()[0], sink === "leader", theme);
}

function paintSinkMark(context, { left, top, width }, leading, theme) {
  const [x, size] = [left + width / 2, leading ? 5 : 3.5];
  context.beginPath();
  context.moveTo(x - size, top - 1 - size);
  context.lineTo(x + size, top - 1 - size);
  context.lineTo(x, top - 1);
  context.closePath();
  context.fillStyle = context.strokeStyle = theme.accent;
  context.lineWidth = 1;
  if (leading) context.fill();
  else context.stroke();
}

// Word by word where the browser has put them.
export function paintText(context, node) {
  const text = node.data;
  if (!text.trim()) return;
  const style = getComputedStyle(node.parentElement);
  const font = `${style.fontStyle} ${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  Object.assign(context, { font, fillStyle: style.color, textAlign: "left", textBaseline: "middle" });
  const range = document.createRange();
  for (const { index, 0: word } of text.matchAll(/\S+/g)) {
    range.setStart(node, index);
    range.setEnd(node, index + word.length);
    const boxes = range.getClientRects();
    if (boxes.length === 1) context.fillText(word, boxes[0].left, boxes[0].top + boxes[0].height / 2);
    else paintLetters(context, node, index, word, range);
  }
}

// A word that was broken over lines.
function paintLetters(context, node, index, word, range) {
  for (let at = 0; at < word.length; at++) {
    range.setStart(node, index + at);
    range.setEnd(node, index + at + 1);
    const { left, top, height } = range.getBoundingClientRect();
    context.fillText(word[at], left, top + height / 2);
  }
}
