/**
 * The fully connected layer and its gradients. The loops use a row of w for all samples while the row is in the cache.
 *
 * @typedef {import("../types.js").NDArray} NDArray
 */

import { addInPlace } from "./bias.js";
import { checkAxes, text, zeros } from "./tensor.js";

/**
 * Computes every output as a weighted sum of all inputs: y[n,o] = b[o] + Σ_c w[o,c] · x[n,c]
 *
 * @param {NDArray} x  (N, F_in) @param {NDArray} w  (F_out, F_in) @param {NDArray | null} b  (F_out,)
 * @returns {NDArray}  (N, F_out)
 */
export function dense(x, w, b = null) {
  checkAxes("dense", "x", x, "N, F_in");
  checkAxes("dense", "w", w, "F_out, F_in");
  if (x.shape[1] !== w.shape[1]) {
    throw new Error(`dense: x ${text(x.shape)} has ${x.shape[1]} features, w ${text(w.shape)} reads ${w.shape[1]}`);
  }
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
  if (b) addInPlace(y, b);
  return y;
}

/**
 * dx[n,c] = Σ_o dy[n,o] · w[o,c]        dx = Wᵀ dy
 *
 * @param {NDArray} dy  (N, F_out) @param {NDArray} w  (F_out, F_in)
 */
export function dense_dx(dy, w) {
  checkAxes("dense_dx", "dy", dy, "N, F_out");
  checkAxes("dense_dx", "w", w, "F_out, F_in");
  if (dy.shape[1] !== w.shape[0]) {
    throw new Error(`dense_dx: dy ${text(dy.shape)} has ${dy.shape[1]} features, w ${text(w.shape)} ${w.shape[0]}`);
  }
  return addRows(dy, w, zeros([dy.shape[0], w.shape[1]]), (n, o) => [o, n]);
}

/**
 * dw[o,c] = Σ_n dy[n,o] · x[n,c]        dW = dy xᵀ
 *
 * @param {NDArray} x  (N, F_in) @param {NDArray} dy  (N, F_out)
 */
export function dense_dw(x, dy) {
  checkAxes("dense_dw", "x", x, "N, F_in");
  checkAxes("dense_dw", "dy", dy, "N, F_out");
  if (x.shape[0] !== dy.shape[0]) {
    throw new Error(`dense_dw: x ${text(x.shape)} has ${x.shape[0]} samples, dy ${text(dy.shape)} ${dy.shape[0]}`);
  }
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
