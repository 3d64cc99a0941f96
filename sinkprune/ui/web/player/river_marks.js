// What is drawn over the colours of a river: blocks, sinks, the moves of the lead, and where two lanes part.

import { PAD, casedLine, label } from "./plot.js";

// The border between prompt and answer, and the staircase of blocks being written.
export function drawBlocks(context, river, scene) {
  const { lane, blocks } = scene;
  const y = river.top(lane.promptLength, scene);
  const end = river.columnX(lane.frames.length, scene);
  context.setLineDash([4, 3]);
  casedLine(context, (c) => { c.moveTo(PAD.left, y); c.lineTo(end, y); }, "rgba(255,255,255,.85)", 1, "rgba(0,0,0,.35)");
  context.setLineDash([]);
  if (blocks.length < 2) return;
  context.strokeStyle = "rgba(255, 255, 255, 0.6)";
  context.lineWidth = 1;
  for (const block of blocks) {
    const [left, right] = [river.columnX(block.from, scene), river.columnX(block.to, scene)];
    const [above, below] = [river.top(block.start, scene), river.top(block.end, scene)];
    context.strokeRect(left + 0.5, above + 0.5, right - left - 1, below - above - 1);
  }
}

// The leading sink as a dash in every step it leads, thin lines where the lead jumps; the other sinks as small points.
export function drawSinks(context, river, scene) {
  const { track } = scene;
  drawLead(context, river, track.leaders, scene);
  const radius = Math.max(0.9, Math.min(1.6, river.plotWidth / scene.lane.frames.length / 5));
  context.fillStyle = "#fff";
  context.strokeStyle = "rgba(0, 0, 0, 0.8)";
  context.lineWidth = 1;
  track.sinks.forEach((sinks, step) => sinks.slice(1).forEach((position) => {
    context.beginPath();
    context.arc(river.markX(step, scene), river.middle(position, scene), radius, 0, 7);
    context.stroke();
    context.fill();
  }));
  drawMoves(context, river, scene);
}

// leaders: the leading position of every step, -1 for none.
function drawLead(context, river, leaders, scene) {
  const jumps = (c) => leaders.forEach((leader, step) => {
    const before = leaders[step - 1];
    if (leader < 0 || !(before >= 0) || before === leader) return;
    c.moveTo(river.columnX(step, scene), river.middle(before, scene));
    c.lineTo(river.columnX(step, scene), river.middle(leader, scene));
  });
  casedLine(context, jumps, scene.theme.river, 1, "rgba(0, 0, 0, 0.3)");
  casedLine(context, dashes(leaders, river, scene), scene.theme.river, 3, "rgba(0, 0, 0, 0.65)");
}

// The leads of two lanes in one river: the first one's drawn through, the second one's dotted.
export function drawLeads(context, river, scene) {
  const [first, second] = scene.leads.map((leaders) => dashes(leaders, river, scene));
  const { ink, surface } = scene.theme;
  casedLine(context, first, ink, 2, surface);
  context.setLineDash([2, 3]);
  casedLine(context, second, surface, 2, ink);
  context.setLineDash([]);
}

function dashes(leaders, river, scene) {
  return (c) => leaders.forEach((leader, step) => {
    if (leader < 0) return;
    const y = river.middle(leader, scene);
    c.moveTo(river.columnX(step, scene) + 0.5, y);
    c.lineTo(river.columnX(step + 1, scene) - 0.5, y);
  });
}

// ▾ above every step at which the lead passes on: a press there goes to it.
function drawMoves(context, river, scene) {
  context.fillStyle = scene.theme.accent;
  for (const step of scene.track.moved) {
    const x = river.markX(step, scene);
    context.beginPath();
    context.moveTo(x - 4, PAD.top - 8);
    context.lineTo(x + 4, PAD.top - 8);
    context.lineTo(x, PAD.top - 2);
    context.fill();
  }
}

export function drawParting(context, river, scene) {
  const x = river.markX(scene.parting.step, scene);
  const y = river.middle(scene.parting.position, scene);
  context.setLineDash([2, 3]);
  casedLine(context, (c) => { c.moveTo(x, PAD.top); c.lineTo(x, PAD.top + river.base.plotHeight); }, "#fff", 1.25, "rgba(0,0,0,.6)");
  context.setLineDash([]);
  casedLine(context, (c) => c.arc(x, y, 6, 0, 7), "#fff", 1.5, "rgba(0,0,0,.7)");
  label(context, "≠", x, 6, scene.theme, { align: "center", colour: scene.theme.ink, weight: 600 });
}
