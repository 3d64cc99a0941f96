// What buttons and keys do to the player, by name.

const PAUSING = new Set(["first", "back", "forward", "last", "live", "parting", "nextMove", "moveBefore"]);

export function act(player, name) {
  const { clock, focus } = player;
  if (!player.run?.steps) return;
  if (PAUSING.has(name) || name === "toggle") player.wantsAutoplay = false;
  if (PAUSING.has(name)) clock.pause();
  if (name === "toggle") toggle(player);
  if (name === "first") player.seek(0);
  if (name === "back") player.seek(clock.step - 1);
  if (name === "forward") player.seek(clock.step + 1);
  if (name === "last" || name === "live") player.seek(clock.last);
  if (name === "loop") clock.loop = !clock.loop;
  if (name === "parting") goToParting(player);
  if (name === "nextMove") goToMove(player, player.drawing.moves.find(({ tick }) => tick > clock.step) ?? player.drawing.moves[0]);
  if (name === "moveBefore") goToMove(player, player.drawing.moves.findLast(({ tick }) => tick < clock.step) ?? player.drawing.moves.at(-1));
  if (name === "tokenBefore" || name === "tokenAfter") moveFocus(player, name === "tokenAfter" ? 1 : -1);
  if (name === "release") release(player);
  if (name === "projector") player.projector.toggle();
  if (name === "mean") player.setScope({ layer: null, head: null });
  player.changed("step");
}

function toggle(player) {
  if (player.clock.playing) player.clock.pause();
  else player.clock.play();
  player.live = false;
}

function release({ projector, focus }) {
  if (projector.on) projector.leave();
  else focus.clear();
}

function moveFocus(player, by) {
  const scene = player.scenes[0];
  player.focus.move(by, scene.lane.length, Math.max(0, scene.track.leaders[player.stepOf(scene)]));
}

function goToParting(player) {
  const { lane, parting } = player.scenes[0];
  goTo(player, player.axis.tickOf(lane, parting.step), parting.position);
}

function goToMove(player, move) {
  if (move) goTo(player, move.tick, move.position - player.run.lanes[move.laneIndex].shift);
}

function goTo(player, tick, position) {
  player.seek(tick);
  if (player.focus.locked !== position) player.focus.lock(position);
}
