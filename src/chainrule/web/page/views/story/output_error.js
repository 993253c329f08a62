/**
 * The error of the output: a gradient that is the output minus the target, times a factor.
 *
 * @typedef {import("../../types.js").NDArray} NDArray
 * @typedef {import("../../types.js").Trace} Trace
 * @typedef {{title: string, output: number[], target: ArrayLike<number>, gradient: ArrayLike<number>, factor: number}} OutputError
 *   title: ŷ, or p for probabilities that the network does not output
 */

import { sigmoid, softmax } from "../../engine/reference.js";
import { largestMagnitude } from "../../engine/tensor.js";

const TOLERANCE = 1e-5; // of the largest gradient

/** From scores to probabilities. @type {Partial<Record<string, (scores: NDArray) => NDArray>>} */
const PROBABILITIES = { softmax_cross_entropy_dp: softmax, sigmoid_cross_entropy_dp: sigmoid };
const SQUARED = /^(?:half|mean)_squared_error_dp$/u;

/**
 * Returns the error if a gradient is one: where a squared error follows the output, or cross-entropy the scores. Returns
 * null if the gradient is not proportional to the difference, for instance with smoothed targets or weighted classes.
 *
 * @param {Trace} trace @param {{operation: string | null, tensor: string}} gradient @returns {OutputError | null}
 */
export function errorOf(trace, { operation, tensor }) {
  if (operation === null) return null;
  const probabilitiesOf = PROBABILITIES[operation];
  if (!probabilitiesOf && !SQUARED.test(operation)) return null;
  const { layers } = trace.description;
  const last = `${layers[layers.length - 1].name}.y`;
  const [found, target, gradient] = [last, "t", tensor].map((name) => trace.values.get(name));
  if (!found || !target || !gradient || [found, target, gradient].some(({ shape }) => shape.length !== 1)) return null;
  const isOutput = tensor === last.replace(/y$/u, "dy");
  const given = Array.from(found.data);
  const output = probabilitiesOf && isOutput ? Array.from(probabilitiesOf({ shape: [1, given.length], data: found.data }).data) : given;
  const differences = output.map((value, at) => value - target.data[at]);
  const largest = largestMagnitude(differences);
  const factor = rounded(gradient.data[largest] / differences[largest]);
  const limit = TOLERANCE * Math.abs(gradient.data[largest]);
  if (!Number.isFinite(factor) || differences.some((value, at) => Math.abs(value * factor - gradient.data[at]) > limit)) return null;
  return { title: output === given ? "ŷ" : "p", output, target: target.data, gradient: gradient.data, factor };
}

/** Rounds to six digits, so that rounding errors of the gradient disappear. @param {number} value */
function rounded(value) {
  return Number(value.toPrecision(6));
}
