// What the clock counts and the rivers are drawn along: denoising steps, or the time that each lane was measured to take.
// Places are steps or seconds; a lane's column `step` lies from left(lane, step) to left(lane, step + 1).

import { tickStep } from "./plot.js";

export const CLOCKS = ["steps", "time"];

export function makeAxis(clock, run) {
  return clock === "time" && run.steps ? timeAxis(run) : stepAxis(run);
}

function stepAxis(run) {
  const end = run.done ? run.steps : Math.max(expectedSteps(run), run.steps);
  return {
    clock: "steps",
    end,
    last: run.steps - 1,
    marks: null,
    left: (lane, step) => step,
    head: (lane, position) => Math.min(position, lane.frames.length - 1) + 0.5, // in the middle of the column that is shown
    stepOf: (lane, tick) => Math.max(0, Math.min(tick, lane.frames.length - 1)),
    tickOf: (lane, step) => step,
    tickAt: (place) => Math.max(0, Math.min(run.steps - 1, Math.floor(place))),
    labels: (room) => {
      const every = tickStep(end, room);
      return Array.from({ length: Math.ceil(end / every) }, (_, i) => [i * every + 0.5, String(i * every + 1)]);
    },
  };
}

// A lane's step is reached when its forward pass is done. Every lane's time is its own computing time, though they were written in turns.
function timeAxis(run) {
  const times = run.lanes.flatMap((lane) => lane.frames.map((frame) => frame.seconds));
  const marks = [...new Set(times)].sort((a, b) => a - b);
  const end = marks.at(-1) || 1;
  return {
    clock: "time",
    end,
    last: marks.length - 1,
    marks,
    left: (lane, step) => (step > 0 ? lane.frames[step - 1].seconds : 0),
    head: (lane, position) => Math.min(position, lane.frames.at(-1)?.seconds ?? 0),
    stepOf: (lane, tick) => Math.max(0, lastAt(lane.frames, marks[tick])),
    tickOf: (lane, step) => marks.indexOf(lane.frames[step].seconds),
    tickAt: (place) => Math.max(0, marks.findLastIndex((mark) => mark <= place)),
    labels: (room) => {
      const every = tickStep(end * 100, room) / 100;
      return Array.from({ length: Math.floor(end / every) + 1 }, (_, i) => [i * every, `${Number((i * every).toFixed(2))} s`]);
    },
  };
}

// The last frame that was done at a time, -1 before the first one.
function lastAt(frames, seconds) {
  let count = 0;
  while (count < frames.length && frames[count].seconds <= seconds) count++;
  return count - 1;
}

// How many steps a live run will take, as far as its settings tell; else room for what is there, in round numbers.
function expectedSteps({ settings, steps, lanes }) {
  const fixed = settings.threshold == null && settings.factor == null ? settings.steps : null;
  const length = lanes.some((lane) => lane.kind === "ar") ? settings.gen_length : null;
  const known = Math.max(fixed ?? 0, length ?? 0);
  return known || 16 * tickStep(Math.max(1, steps), 16);
}
