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
  const y = zeros(x.shape);
  for (const row of rows("softmax", "x", x)) {
    const m = Math.max(...row.map((at) => x.data[at]));
    let total = 0;
    for (const at of row) total += Math.exp(x.data[at] - m);
    for (const at of row) y.data[at] = Math.exp(x.data[at] - m) / total;
  }
  return y;
}

/**
 * dx[n,k] = Σ_l dy[n,l] · y[n,l] (δ_kl − y[n,k]) = y[n,k] · (dy[n,k] − Σ_l dy[n,l] y[n,l])
 *
 * @param {NDArray} dy  (N, K) or (N, K, …) @param {NDArray} y
 */
export function softmax_dx(dy, y) {
  const indices = rows("softmax_dx", "dy", dy);
  checkSame("softmax_dx", { dy, y });
  const dx = zeros(dy.shape);
  for (const row of indices) {
    let total = 0;
    for (const at of row) total += dy.data[at] * y.data[at];
    for (const at of row) dx.data[at] = y.data[at] * (dy.data[at] - total);
  }
  return dx;
}

/**
 * y[n,k] = x[n,k] − m − log Σ_l e^(x[n,l] − m)        m = max_l x[n,l] cancels and prevents overflow
 *
 * @param {NDArray} x  (N, K) or (N, K, …)
 */
export function log_softmax(x) {
  const y = zeros(x.shape);
  for (const row of rows("log_softmax", "x", x)) {
    const m = Math.max(...row.map((at) => x.data[at]));
    let total = 0;
    for (const at of row) total += Math.exp(x.data[at] - m);
    for (const at of row) y.data[at] = x.data[at] - m - Math.log(total);
  }
  return y;
}

/**
 * dx[n,k] = Σ_l dy[n,l] · (δ_kl − e^y[n,k]) = dy[n,k] − e^y[n,k] · Σ_l dy[n,l]
 *
 * @param {NDArray} dy  (N, K) or (N, K, …) @param {NDArray} y
 */
export function log_softmax_dx(dy, y) {
  const indices = rows("log_softmax_dx", "dy", dy);
  checkSame("log_softmax_dx", { dy, y });
  const dx = zeros(dy.shape);
  for (const row of indices) {
    let total = 0;
    for (const at of row) total += dy.data[at];
    for (const at of row) dx.data[at] = dy.data[at] - Math.exp(y.data[at]) * total;
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
