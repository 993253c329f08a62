/** A link that opens the computation of a cell below the network. */

import { button } from "../elements.js";
import { phaseOf } from "../explain/naming.js";

/** @param {import("../types.js").App} app @param {string} cell @param {string} text */
export function cellButton(app, cell, text) {
  const link = button(text, () => app.go({ cell, phase: phaseOf(cell) ?? app.place.phase }), { class: "link story-cell" });
  link.title = `Show how ${cell} is computed`;
  return link;
}
