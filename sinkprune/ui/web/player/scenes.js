// What every view of a lane draws from; made anew when data or choices change, never per step.

import { blockRanges } from "./blocks.js";
import { colourTable, level, scaleTop } from "./colour.js";
import { findParting, isComparison } from "./parting.js";
import { makeRows } from "./rows.js";
import { trackSinks } from "./sinks.js";
import { laneAt, massOf } from "./trace.js";

// choices: {scope, rule, palette, folded (end marks), theme, axis, against (the lane that the first one is held against)}
export function makeScenes(run, choices) {
  const { scope, rule, folded } = choices;
  const comparison = isComparison(run);
  const against = Math.min(choices.against, run.lanes.length - 1);
  const rows = comparison ? makeRows(run.lanes, folded) : run.lanes.flatMap((lane) => makeRows([lane], folded));
  const scenes = run.lanes.map((lane, laneIndex) => {
    const massAt = (step) => massOf(run, lane, step, scope);
    const track = trackSinks(lane.frames.length, massAt, (step) => lane.frames[step].visible, rule);
    const blocks = blockRanges(lane, run.settings.block_length);
    const pair = [run.lanes[0], run.lanes[laneIndex || against]];
    const parting = comparison ? findParting(pair) : null;
    return { ...choices, run, lane, laneIndex, comparison, against, pair, parting, rows: rows[laneIndex], massAt, track, blocks };
  });
  const top = scaleTop(Math.max(...scenes.map((scene) => scene.track.peak)));
  const table = colourTable(choices.palette);
  for (const scene of scenes) Object.assign(scene, { top, shade: (mass) => table[level(mass, top)] });
  return scenes;
}

// The scene as it was at a step, before tokens were touched.
export function sceneAt(scene, step) {
  const lane = laneAt(scene.lane, step);
  return lane === scene.lane ? scene : { ...scene, lane };
}

// Ticks of the clock at which the lead passes to another token in any lane: [{tick, laneIndex, position}], by tick.
export function sinkMoves(scenes) {
  const moves = scenes.flatMap(({ lane, laneIndex, axis, track }) => track.moved.map((step) => ({
    tick: axis.tickOf(lane, step), laneIndex, position: track.leaders[step],
  })));
  return moves.sort((a, b) => a.tick - b.tick);
}
