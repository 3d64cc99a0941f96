// Pointer on a lane's views: the river scrubs, every view shows and locks the focused token.

export function watchPointer(laneView, player) {
  watchRiver(laneView, player);
  watchRows(laneView.barsCanvas, player, (event) => laneView.bars.positionAt(event.offsetY, player.sceneOf(laneView)));
  watchHeat(laneView, player);
  watchChips(laneView.chips, player);
}

function watchRiver(laneView, player) {
  const canvas = laneView.overlayCanvas;
  const seek = (event) => player.seek(laneView.river.stepAt(event.offsetX, player.sceneOf(laneView)));
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    canvas.dataset.dragging = "yes";
    player.clock.pause();
    seek(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (canvas.dataset.dragging) seek(event);
    else player.focus.hover(laneView.river.positionAt(event.offsetY, player.sceneOf(laneView)));
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => delete canvas.dataset.dragging);
  canvas.addEventListener("pointerleave", () => player.focus.hover(null));
}

function watchRows(canvas, player, positionOf) {
  canvas.addEventListener("pointermove", (event) => player.focus.hover(positionOf(event)));
  canvas.addEventListener("pointerleave", () => player.focus.hover(null));
  canvas.addEventListener("click", (event) => {
    const position = positionOf(event);
    if (position != null) player.focus.lock(position);
  });
}

// A double click on a layer and head chooses it and opens its map.
function watchHeat(laneView, player) {
  const canvas = laneView.heatCanvas;
  const columnOf = (event) => (player.view === "heads" ? laneView.heads.columnAt(event.offsetX, player.run.model) : null);
  canvas.addEventListener("pointermove", (event) => (laneView.column = columnOf(event)));
  canvas.addEventListener("pointermove", () => player.mark("focus"));
  canvas.addEventListener("pointerleave", () => (laneView.column = null));
  canvas.addEventListener("dblclick", (event) => {
    const column = columnOf(event);
    if (column) player.openHead(column);
  });
  watchRows(canvas, player, (event) => laneView.bars.positionAt(event.offsetY, player.sceneOf(laneView)));
}

function watchChips(chips, player) {
  const { container } = chips;
  container.addEventListener("pointerover", (event) => player.focus.hover(chips.positionOf(event.target)));
  container.addEventListener("pointerleave", () => player.focus.hover(null));
  container.addEventListener("click", (event) => {
    const position = chips.positionOf(event.target);
    if (position != null) player.focus.lock(position);
  });
}
