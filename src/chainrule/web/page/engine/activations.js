/**
 * Softmax, its logarithm, and their gradients, row by row.
 *
 * @typedef {import("../types.js").NDArray} NDArray
 */

import { checkRows, checkSame, zeros } from "./tensor.js";

/**
 * y[n,k] = e^(x[n,k] − m) / Σ_l e^(x[n,l] − m)        m = max_l x[n,l] cancels and prevents overflow
 *
 * @param {NDArray} x  (N, K), or (N, K, …) for a softmax at every position
 */
export function softmax(x) {
  return normalized("softmax", x, (z, total) => Math.exp(z) / total);
}

/**
 * dx[n,k] = Σ_l dy[n,l] · y[n,l] (δ_kl − y[n,k]) = y[n,k] · (dy[n,k] − Σ_l dy[n,l] y[n,l])
 *
 * @param {NDArray} dy  (N, K) or (N, K, …) @param {NDArray} y
 */
export function softmax_dx(dy, y) {
  return gradient("softmax_dx", dy, y, (d, p) => d * p, (d, p, total) => p * (d - total));
}

/**
 * y[n,k] = x[n,k] − m − log Σ_l e^(x[n,l] − m)        m = max_l x[n,l] cancels and prevents overflow
 *
 * @param {NDArray} x  (N, K) or (N, K, …)
 */
export function log_softmax(x) {
  return normalized("log_softmax", x, (z, total) => z - Math.log(total));
}

/**
 * dx[n,k] = Σ_l dy[n,l] · (δ_kl − e^y[n,k]) = dy[n,k] − e^y[n,k] · Σ_l dy[n,l]
 *
 * @param {NDArray} dy  (N, K) or (N, K, …) @param {NDArray} y
 */
export function log_softmax_dx(dy, y) {
  return gradient("log_softmax_dx", dy, y, (d) => d, (d, log, total) => d - Math.exp(log) * total);
}

/**
 * Computes each entry from z = x − m and the sum of e^z in its row.
 *
 * @param {string} operation @param {NDArray} x @param {(z: number, total: number) => number} value
 */
function normalized(operation, x, value) {
  const y = zeros(x.shape);
  for (const row of rows(operation, "x", x)) {
    const m = Math.max(...row.map((at) => x.data[at]));
    let total = 0;
    for (const at of row) total += Math.exp(x.data[at] - m);
    for (const at of row) y.data[at] = value(x.data[at] - m, total);
  }
  return y;
}

/**
 * Computes each gradient from dy, y and the sum of the parts of its row.
 *
 * @param {string} operation @param {NDArray} dy @param {NDArray} y
 * @param {(dy: number, y: number) => number} part @param {(dy: number, y: number, total: number) => number} value
 */
function gradient(operation, dy, y, part, value) {
  const indices = rows(operation, "dy", dy);
  checkSame(operation, { dy, y });
  const dx = zeros(dy.shape);
  for (const row of indices) {
    let total = 0;
    for (const at of row) total += part(dy.data[at], y.data[at]);
    for (const at of row) dx.data[at] = value(dy.data[at], y.data[at], total);
  }
  return dx;
}

/**
 * Returns, for every sample and position, the flat indices of the entries along the second axis.
 *
 * @param {string} operation @param {string} name @param {NDArray} array @returns {number[][]}
 */
export function rows(operation, name, array) {
  checkRows(operation, name, array);
  const [N, K] = array.shape;
  const positions = N * K ? array.data.length / (N * K) : 0;
  return Array.from({ length: N * positions }, (_, at) => {
    const first = Math.floor(at / positions) * K * positions + (at % positions);
    return Array.from({ length: K }, (_, k) => first + k * positions);
  });
}
