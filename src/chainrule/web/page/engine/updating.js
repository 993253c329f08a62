/**
 * The optimizer's step on the flat buffers, with optional gradient clipping.
 *
 * @typedef {import("../types.js").Description} Description
 */

import { operations } from "./operations.js";
import { clip_factor } from "./reference.js";

/**
 * Returns the new parameters and moments; null if the optimizer needs moments that are missing.
 *
 * @param {Description} description @param {Float64Array} parameters @param {Float64Array} gradient
 * @param {Float64Array[] | null} moments @param {number} step  from 1 @param {number} rate
 * @returns {Float64Array[] | null}
 */
export function updated({ optimizer, recipe, layout, step: definition }, parameters, gradient, moments, step, rate) {
  if (optimizer.moments.length && !moments) return null;
  const scale = clipping(Math.sqrt(squares(gradient)), recipe.clip_norm);
  const g = scale === 1 ? gradient : gradient.map((value) => value * scale);
  const arrays = [parameters, g, ...(moments ?? [])].map((data) => ({ shape: [data.length], data }));
  const attributes = { ...optimizer.attributes, rate, step };
  const results = operations[optimizer.operation](arrays, attributes).map((result) => /** @type {Float64Array} */ (result.data));
  const before = [parameters, ...(moments ?? [])];
  for (const name of definition.frozen) {
    const [first, last] = layout[name];
    results.forEach((result, at) => result.set(before[at].subarray(first, last), first));
  }
  return results;
}

/** Returns a gradient that is 0 for frozen parameters. @param {Description} description @param {Float64Array} gradient */
export function withoutFrozen({ layout, step }, gradient) {
  const result = gradient.slice();
  for (const name of step.frozen) result.fill(0, ...layout[name]);
  return result;
}

/**
 * Returns the factor that clips the gradient; 1 without a limit.
 *
 * @param {number} norm @param {number | null} most
 */
export function clipping(norm, most) {
  const norms = { shape: [1], data: Float64Array.of(norm) };
  return most === null ? 1 : clip_factor(norms, { limit: most }).data[0];
}

/** Σ g² @param {ArrayLike<number>} gradient */
export function squares(gradient) {
  let sum = 0;
  for (let e = 0; e < gradient.length; e += 1) sum += gradient[e] * gradient[e];
  return sum;
}
