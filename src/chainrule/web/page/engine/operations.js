/**
 * All operations by name. Their arrays and results have the same order as the reads and writes of a plan.
 * @typedef {import("../types.js").NDArray} NDArray
 * @typedef {(arrays: (NDArray | null)[], attributes: Record<string, any>) => NDArray[]} Run
 */

import * as activations from "./activations.js";
import * as bias from "./bias.js";
import * as convolution from "./convolution.js";
import * as dense from "./dense.js";
import * as dropout from "./dropout.js";
import { elementwise } from "./elementwise.js";
import * as geometry from "./geometry.js";
import * as group_normalization from "./group_normalization.js";
import * as losses from "./losses.js";
import * as merging from "./merging.js";
import * as normalization from "./normalization.js";
import * as pooling from "./pooling.js";
import * as prelu from "./prelu.js";
import * as resampling from "./resampling.js";
import * as response_normalization from "./response_normalization.js";
import * as updates from "./updates.js";

const NORMS = [normalization, group_normalization, response_normalization];
const REST = [losses, losses.LOSSES, merging, pooling, prelu, resampling, updates];
const FAMILIES = [activations, bias, convolution, dense, dropout, geometry, ...NORMS, ...REST];

/** The operations: all functions of the families whose name contains no uppercase letter. */
const FUNCTIONS = FAMILIES.flatMap((family) => Object.entries(family)).filter(([name]) => !/[A-Z]/.test(name));

/** @type {Record<string, Run>} */
export const operations = Object.fromEntries(FUNCTIONS.map(([name, operation]) => [name, called(operation)]));

/** Adds the element-wise operations. @param {Record<string, any>} entries  from a network's description */
export function defineElementwise(entries) {
  for (const [name, operation] of Object.entries(elementwise(entries))) operations[name] = called(operation);
}

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
