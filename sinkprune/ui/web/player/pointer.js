// Pointer on a lane's views: the river scrubs, every view shows and locks the focused token.
// Views answer with positions of their own lane; focus counts in the first lane's.

export function watchPointer(laneView, player) {
  watchRiver(laneView, player);
  watchRows(laneView.barsCanvas, laneView, player, (event) => laneView.bars.positionAt(event.offsetY, player.sceneOf(laneView)));
  watchHeat(laneView, player);
  watchChips(laneView, player);
}

function watchRiver(laneView, player) {
  const canvas = laneView.overlayCanvas;
  const seek = (event) => player.seek(laneView.river.tickAt(event.offsetX, event.offsetY, player.sceneOf(laneView)));
  scrub(canvas, player, seek, (event) => hover(laneView, player, laneView.river.positionAt(event.offsetY, player.sceneOf(laneView))));
}

// The river of differences counts steps of the first lane, and positions as focus does.
export function watchDifference({ overlay, river }, player) {
  const seek = ({ offsetX, offsetY }) => {
    player.seek(player.axis.tickOf(player.run.lanes[0], river.tickAt(offsetX, offsetY, player.signed)));
  };
  scrub(overlay, player, seek, (event) => player.focus.hover(river.positionAt(event.offsetY, player.signed)));
}

function scrub(canvas, player, seek, hovered) {
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    canvas.dataset.dragging = "yes";
    player.clock.pause();
    seek(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (canvas.dataset.dragging) seek(event);
    else hovered(event);
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => delete canvas.dataset.dragging);
  canvas.addEventListener("pointerleave", () => player.focus.hover(null));
}

function watchRows(canvas, laneView, player, positionOf) {
  canvas.addEventListener("pointermove", (event) => hover(laneView, player, positionOf(event)));
  canvas.addEventListener("pointerleave", () => player.focus.hover(null));
  canvas.addEventListener("click", (event) => {
    lock(laneView, player, positionOf(event));
  });
}

// The heatmap: a double click on a column of the first view opens that head, a click in the overview chooses it.
function watchHeat(laneView, player) {
  const canvas = laneView.heatCanvas;
  const { heads, map } = laneView;
  const columnOf = ({ offsetX, offsetY }) => {
    const { model } = player.run;
    return player.view === "heads" ? heads.columnAt(offsetX, model) : map.overview.cellAt(offsetX, offsetY, model);
  };
  const rowOf = ({ offsetX, offsetY }) => {
    if (player.view === "map" && !map.covers(offsetX)) return null;
    return laneView.bars.positionAt(offsetY, player.sceneOf(laneView));
  };
  canvas.addEventListener("pointermove", (event) => { laneView.column = columnOf(event); player.mark("focus"); });
  canvas.addEventListener("pointerleave", () => (laneView.column = null));
  canvas.addEventListener("dblclick", (event) => {
    if (player.view === "heads" && columnOf(event)) player.openHead(columnOf(event));
  });
  canvas.addEventListener("click", (event) => {
    if (player.view === "map" && columnOf(event)) player.toggleHead(columnOf(event));
  });
  watchRows(canvas, laneView, player, rowOf);
}

function watchChips(laneView, player) {
  const { chips } = laneView;
  const { container } = chips;
  container.addEventListener("pointerover", (event) => hover(laneView, player, chips.positionOf(event.target)));
  container.addEventListener("pointerleave", () => player.focus.hover(null));
  container.addEventListener("click", (event) => {
    lock(laneView, player, chips.positionOf(event.target));
  });
}

function hover(laneView, player, position) {
  player.focus.hover(position == null ? null : position - player.sceneOf(laneView).lane.shift);
}

function lock(laneView, player, position) {
  if (position != null) player.focus.lock(position - player.sceneOf(laneView).lane.shift);
}
