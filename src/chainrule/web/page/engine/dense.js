/**
 * The fully connected layer and its gradients. The loops use a row of w for all samples while the row is in the cache.
 *
 * @typedef {import("../types.js").NDArray} NDArray
 */

import { add_bias } from "./reference.js";
import { zeros } from "./tensor.js";

/**
 * Computes every output as a weighted sum of all inputs: y[n,o] = b[o] + Σ_c w[o,c] · x[n,c]
 *
 * @param {NDArray} x  (N, F_in) @param {NDArray} w  (F_out, F_in) @param {NDArray | null} b  (F_out,)
 * @returns {NDArray}  (N, F_out)
 */
export function dense(x, w, b = null) {
  const [N, F_in] = x.shape;
  const F_out = w.shape[0];
  const y = zeros([N, F_out]);
  const [X, W, Y] = [x.data, w.data, y.data];
  for (let o = 0; o < F_out; o += 1) {
    for (let n = 0; n < N; n += 1) {
      let sum = 0;
      for (let c = 0, at = o * F_in, from = n * F_in; c < F_in; c += 1) sum += W[at + c] * X[from + c];
      Y[n * F_out + o] = sum;
    }
  }
  return b ? add_bias(y, b) : y;
}

/**
 * dx[n,c] = Σ_o dy[n,o] · w[o,c]        dx = Wᵀ dy
 *
 * @param {NDArray} dy  (N, F_out) @param {NDArray} w  (F_out, F_in)
 */
export function dense_dx(dy, w) {
  return addRows(dy, w, zeros([dy.shape[0], w.shape[1]]), (n, o) => [o, n]);
}

/**
 * dw[o,c] = Σ_n dy[n,o] · x[n,c]        dW = dy xᵀ
 *
 * @param {NDArray} x  (N, F_in) @param {NDArray} dy  (N, F_out)
 */
export function dense_dw(x, dy) {
  return addRows(dy, x, zeros([dy.shape[1], x.shape[1]]), (n, o) => [n, o]);
}

/**
 * Adds dy[n,o] times a row of `source` to a row of `target`, for all n and o.
 *
 * @param {NDArray} dy @param {NDArray} source @param {NDArray} target
 * @param {(n: number, o: number) => [number, number]} rows  the row of the source and the row of the target
 */
function addRows(dy, source, target, rows) {
  const [N, F_out] = dy.shape;
  const size = target.shape[1];
  const [DY, S, T] = [dy.data, source.data, target.data];
  for (let o = 0; o < F_out; o += 1) {
    for (let n = 0; n < N; n += 1) {
      const [from, to] = rows(n, o).map((row) => row * size);
      const d = DY[n * F_out + o];
      for (let c = 0; c < size; c += 1) T[to + c] += d * S[from + c];
    }
  }
  return target;
}
