/** Which cells light up for one: what it was made from. */
import { explained } from "./explained.js";

/**
 * @typedef {import("../../types.js").Trace} Trace
 * @typedef {import("../../figures/plane.js").Mark} Mark
 */

/** @param {Trace} trace @param {string} cell @returns {Map<string, Mark>} */
export function marksOf(trace, cell) {
  /** @type {Map<string, Mark>} */
  const marks = new Map();
  try {
    for (const source of explained(trace, cell).sources) marks.set(source, "from");
  } catch {
    return marks;
  }
  return marks.set(cell, "chosen");
}
