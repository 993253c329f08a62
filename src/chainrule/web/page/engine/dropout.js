/**
 * Dropout. Its gradient is the same operation, applied to dy with the same random numbers.
 *
 * @typedef {import("../types.js").NDArray} NDArray
 */

import { uniform } from "./randomness.js";
import { sizeOf, zeros } from "./tensor.js";

/**
 * y[n,e] = x[n,e] / (1 − rate) where uniform(seed, stream, step, first + n, e) ≥ rate, else 0
 *
 * @param {NDArray} x  (N, …)
 * @param {{rate: number, stream: number, seed: number, step: number, first?: number}} options
 */
export function dropout(x, { rate, stream, seed, step, first = 0 }) {
  const elements = sizeOf(x.shape.slice(1));
  const y = zeros(x.shape);
  for (let n = 0, at = 0; n < x.shape[0]; n += 1) {
    const u = uniform(seed, stream, step, first + n, elements);
    for (let e = 0; e < elements; e += 1, at += 1) y.data[at] = u[e] >= rate ? x.data[at] / (1 - rate) : 0;
  }
  return y;
}
