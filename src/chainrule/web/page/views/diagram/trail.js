/** The cells that a reader followed, and the pairs of stages whose wires are highlighted. */

import { readersOf, sourcesOf } from "../../explain/dependencies.js";
import { layered, parted } from "../../explain/naming.js";
import { extendedPath } from "../../cell_path.js";

/** @typedef {import("../../types.js").Trace} Trace */
/** @typedef {import("../../types.js").Phase} Phase */
/** @typedef {[string, string]} Pair  names of stages */

export class Trail {
  /** The newest last. @type {string[]} */
  #cells = [];

  /**
   * Adds the selected cell. It continues the trail if it is a source or a reader of the last cell, else starts a new one.
   * @param {Trace | null} trace @param {string | null} cell @param {Phase} phase
   */
  follow(trace, cell, phase) {
    const last = this.#cells.at(-1);
    if (!cell || !trace) this.#cells = [];
    else if (cell !== last) this.#cells = extendedPath(this.#cells, cell, Boolean(last && isNext(trace, last, cell, phase)));
  }

  /** Returns the pairs of consecutive stages. @returns {Pair[]} */
  pairs() {
    const stages = this.#cells.map((cell) => stageOf(parted(cell).tensor));
    return stages.slice(1).map((stage, k) => [stages[k], stage]);
  }
}

/**
 * Returns the pairs of stages between a cell and the cells that are highlighted with it.
 * @param {string | null} cell @param {import("./reach.js").Reach} reach @returns {Pair[]}
 */
export function pairsAround(cell, { from, to }) {
  if (!cell) return [];
  const here = stageOf(parted(cell).tensor);
  return [...from, ...to].map(({ tensor }) => [here, stageOf(tensor)]);
}

/** Returns the name of the stage that a tensor belongs to. @param {string} tensor */
function stageOf(tensor) {
  return tensor === "t" ? "loss" : layered(tensor).layer || "input";
}

/** @param {Trace} trace @param {string} cell @param {string} next @param {Phase} phase */
function isNext(trace, cell, next, phase) {
  const { tensor } = parted(next);
  try {
    return [...sourcesOf(trace, cell), ...readersOf(trace, cell, phase)].some((box) => box.tensor === tensor);
  } catch {
    return false;
  }
}
