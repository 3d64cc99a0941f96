// The views of one step, of which a lane's panel shows one at a time. To add a view: write its module in views/ and add a line here.
// A view: name (as links call it), label (of its button), about (what its picture shows), wants (names of the player's sources that it
// draws from), explain(cached): one line below the buttons; make(sheet) gives a drawing with
//   draw(scene, step, sources): paints; returns {waiting: something is on its way, said: why there is nothing to see}
//   hit(x, y, scene): what is there: {position: a token or null, column: {layer, head} or null, chooses: a click chooses the column}

import { headsView } from "./views/heads.js";
import { mapView } from "./views/map.js";

export const VIEWS = [headsView, mapView];

export function viewNamed(name) {
  return VIEWS.find((view) => view.name === name);
}
