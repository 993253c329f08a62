/**
 * Explanations of cells that are not computed by an operation: inputs, targets, parameters, statistics and moments.
 *
 * @typedef {import("../types.js").Description} Description
 * @typedef {import("./details.js").Details} Details
 * @typedef {import("./cells.js").Entry} Entry
 */

import { fill } from "./words.js";

/**
 * @param {Description} description @param {Entry} entry @param {number} step  the number of the step, from 1
 * @returns {Details}
 */
export function leaf({ operations }, { kind }, step) {
  return { words: fill(operations.leaf.words, { [kind]: true, first: step === 1 }) };
}
