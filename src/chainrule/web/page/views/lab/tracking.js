/** Highlighting of related cells: the inputs of a cell and, for a typed value, the cells computed from it. */
import { indicesOf } from "../../explain/boxes.js";
import { named } from "../../explain/naming.js";
import { readersOf } from "../../explain/dependencies.js";
import { explained } from "./explained.js";

/**
 * @typedef {import("../../types.js").Trace} Trace
 * @typedef {import("../../figures/plane.js").Mark} Mark
 */

const MOST_LOOKED_AT = 300;

/**
 * @param {Trace} trace
 * @param {string | null} cell  null: only the winners of pooling are marked
 * @returns {Map<string, Mark>}
 */
export function marksOf(trace, cell) {
  const marks = winners(trace);
  if (cell === null) return marks;
  try {
    const { sources, operation } = explained(trace, cell);
    if (operation === "") for (const reached of reachedFrom(trace, cell)) marks.set(reached, "reach");
    for (const source of sources) marks.set(source, "from");
    marks.set(cell, "chosen");
  } catch {
    return marks; // the setting has changed and does not have the cell any more
  }
  return marks;
}

/** Marks the cells of the input that won a window. @param {Trace} trace @returns {Map<string, Mark>} */
function winners({ values, description }) {
  /** @type {Map<string, Mark>} */
  const marks = new Map();
  const winner = values.get("pool1.winner");
  if (!winner) return marks;
  const [, , W] = description.input_shape;
  const [, rows, columns] = winner.shape;
  winner.data.forEach((/** @type {number} */ place, /** @type {number} */ k) => {
    marks.set(named("x", [Math.floor(k / (rows * columns)), Math.floor(place / W), place % W]), "won");
  });
  return marks;
}

/** Returns the cells computed from a cell. @param {Trace} trace @param {string} cell @returns {string[]} */
function reachedFrom(trace, cell) {
  const boxes = [...readersOf(trace, cell, "forward"), ...readersOf(trace, cell, "backward")];
  return boxes.flatMap((box) => {
    const found = indicesOf(box).map((index) => named(box.tensor, index));
    if (found.length > MOST_LOOKED_AT) return found;
    return found.filter((each) => explained(trace, each).sources.includes(cell)); // a box includes cells between strides
  });
}
