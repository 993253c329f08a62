/**
 * All operations by name: those of reference.js, which are generated, convolutions, which take most of the time, and
 * dropout. Their arrays and results have the same order as the reads and writes of a plan.
 * @typedef {import("../types.js").NDArray} NDArray
 * @typedef {(arrays: (NDArray | null)[], attributes: Record<string, any>) => NDArray[]} Run
 */

import * as convolution from "./convolution.js";
import * as dropout from "./dropout.js";
import * as reference from "./reference.js";

/** @type {Record<string, Run>} */
export const operations = Object.fromEntries(
  Object.entries({ ...reference, ...convolution, ...dropout }).map(([name, operation]) => [name, called(operation)]),
);

/**
 * Wraps an operation so that it accepts its arrays as a list. Missing arrays at the end (a bias) are null.
 *
 * @param {Function} operation
 * @returns {Run}
 */
function called(operation) {
  return (arrays, attributes) => {
    const results = operation(...arrays.map((array) => array ?? null), attributes);
    return Array.isArray(results) ? results : [results];
  };
}
