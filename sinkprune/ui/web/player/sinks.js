// Which tokens are attention sinks, and how the leading one moves. Masses are in units of the mean (1 = uniform attention).
// "paper": eq. 10, mass > mean of the others + epsilon. "reference": the official code's mean + k standard deviations.

export const RULES = {
  paper: { label: "mean of the others + ε", symbol: "ε", value: 3, min: 0.5, max: 16, step: 0.5 },
  reference: { label: "mean + k standard deviations", symbol: "k", value: 2, min: 0.5, max: 6, step: 0.25 },
};

// One limit for all positions. The paper compares m with the mean of the OTHERS, (S - m)/(n - 1) + ε,
// which is the same as comparing m with (S + ε(n - 1))/n.
export function sinkThreshold(mass, n, rule) {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += mass[i];
  if (rule.name === "paper") return (sum + rule.value * (n - 1)) / n;
  const mean = sum / n;
  let squares = 0;
  for (let i = 0; i < n; i++) squares += (mass[i] - mean) ** 2;
  return mean + rule.value * Math.sqrt(squares / n);
}

// Positions above the limit, the strongest first.
export function sinkSet(mass, n, rule) {
  const limit = sinkThreshold(mass, n, rule);
  const sinks = [];
  for (let i = 0; i < n; i++) if (mass[i] > limit) sinks.push(i);
  return sinks.sort((a, b) => mass[b] - mass[a]);
}

export function strongest(mass, n) {
  let best = 0;
  for (let i = 1; i < n; i++) if (mass[i] > mass[best]) best = i;
  return best;
}

// Eq. 7: the attention-weighted mean position of the sink set; NaN without sinks.
export function centroid(mass, sinks) {
  let weight = 0;
  let sum = 0;
  for (const position of sinks) {
    weight += mass[position];
    sum += mass[position] * position;
  }
  return weight ? sum / weight : NaN;
}

export function variance(values) {
  const known = values.filter((value) => !Number.isNaN(value));
  if (!known.length) return NaN;
  const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
  return known.reduce((sum, value) => sum + (value - mean) ** 2, 0) / known.length;
}

// How often the leading sink changed up to and including each step. Steps without a sink (-1) neither count nor reset.
export function countMoves(leaders) {
  let last = -1;
  let count = 0;
  return leaders.map((leader) => {
    if (leader < 0) return count;
    if (last >= 0 && leader !== last) count++;
    last = leader;
    return count;
  });
}

// Everything the views need to know about a lane's sinks. massAt(step): mass array; visibleAt(step): positions that exist.
export function trackSinks(steps, massAt, visibleAt, rule) {
  const track = { sinks: [], limits: [], leaders: [], centroids: [], peak: 0 };
  for (let step = 0; step < steps; step++) {
    const mass = massAt(step);
    const n = visibleAt(step);
    const sinks = sinkSet(mass, n, rule);
    track.sinks.push(sinks);
    track.limits.push(sinkThreshold(mass, n, rule));
    track.leaders.push(sinks.length ? sinks[0] : -1);
    track.centroids.push(centroid(mass, sinks));
    track.peak = Math.max(track.peak, mass[strongest(mass, n)]);
  }
  track.moves = countMoves(track.leaders);
  track.moved = [...track.moves.keys()].filter((step) => step && track.moves[step] > track.moves[step - 1]);
  track.temporalVariance = variance(track.centroids);
  return track;
}
