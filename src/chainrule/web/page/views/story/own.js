/** The stops of a teacher's walk. */

import { phaseOf } from "../../explain/naming.js";

/** @param {import("../../types.js").OwnStop[]} walk @returns {import("./stops.js").Stop[]} */
export function ownStops(walk) {
  return walk.map(({ title, words, cell, sample, step }) => {
    return { title, words, cell, layer: null, phase: (cell && phaseOf(cell)) || "forward", opened: cell, sample, step, rule: false };
  });
}
