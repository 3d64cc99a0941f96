// Pointer on a lane's views: the river scrubs, every view shows and locks the focused token.
// Views answer with positions of their own lane; focus counts in the first lane's.

export function watchPointer(laneView, player) {
  watchRiver(laneView, player);
  watchRows(laneView.barsCanvas, laneView, player, (event) => laneView.bars.positionAt(event.offsetY, player.shownBy(laneView)));
  watchPanel(laneView, player);
  watchChips(laneView, player);
}

function watchRiver(laneView, player) {
  const canvas = laneView.overlayCanvas;
  const seek = (event) => player.seek(laneView.river.tickAt(event.offsetX, event.offsetY, player.shownBy(laneView)));
  scrub(canvas, player, seek, (event) => hover(laneView, player, laneView.river.positionAt(event.offsetY, player.shownBy(laneView))));
}

// The river of differences counts steps of the first lane, and positions as focus does.
export function watchDifference({ overlay, river, with: choice }, player) {
  choice.addEventListener("change", () => player.set({ against: Number(choice.value) }));
  const seek = ({ offsetX, offsetY }) => {
    player.seek(player.axis.tickOf(player.run.lanes[0], river.tickAt(offsetX, offsetY, player.drawing.signed)));
  };
  scrub(overlay, player, seek, (event) => player.focus.hover(river.positionAt(event.offsetY, player.drawing.signed)));
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

// The panel asks its view what is under the pointer: a double click on a head opens it, a click in an overview chooses one.
function watchPanel(laneView, player) {
  const canvas = laneView.panelCanvas;
  const hit = ({ offsetX, offsetY }) => laneView.panels.get(player.view).hit(offsetX, offsetY, player.shownBy(laneView));
  canvas.addEventListener("pointermove", (event) => { laneView.column = hit(event).column; player.changed("focus"); });
  canvas.addEventListener("pointerleave", () => (laneView.column = null));
  canvas.addEventListener("dblclick", (event) => {
    const { column, chooses } = hit(event);
    if (column && !chooses) player.openHead(column);
  });
  canvas.addEventListener("click", (event) => {
    const { column, chooses } = hit(event);
    if (chooses) player.toggleHead(column);
  });
  watchRows(canvas, laneView, player, (event) => hit(event).position);
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
  player.focus.hover(position == null ? null : position - player.shownBy(laneView).lane.shift);
}

function lock(laneView, player, position) {
  if (position != null) player.focus.lock(position - player.shownBy(laneView).lane.shift);
}
