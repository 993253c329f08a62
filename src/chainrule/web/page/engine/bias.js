/**
 * The bias of a convolution or a dense layer: one value per channel, or one per output position.
 *
 * @typedef {import("../types.js").NDArray} NDArray
 */

import { sameShape, sizeOf, text, zeros } from "./tensor.js";

/**
 * Adds the bias of every channel.
 *
 * y[n,o,i,j] = x[n,o,i,j] + b[o]        tied
 * y[n,o,i,j] = x[n,o,i,j] + b[o,i,j]    untied
 *
 * @param {NDArray} x  (N, C, H, W) or (N, F) @param {NDArray} b  (C,) or (C, H, W)
 */
export function add_bias(x, b) {
  const y = { shape: x.shape, data: new Float64Array(x.data) };
  addInPlace(y, b);
  return y;
}

/** y ← y + b, in place. @param {NDArray} y @param {NDArray} b */
export function addInPlace(y, b) {
  const [N, C] = y.shape;
  const cells = sizeOf(y.shape.slice(2));
  const untied = b.shape.length > 1;
  if (!sameShape(b.shape, untied ? y.shape.slice(1) : [C])) {
    const positions = text(y.shape.slice(1));
    throw new Error(`add_bias: bias ${text(b.shape)} does not fit ${positions}; expected ${C} or ${positions}`);
  }
  for (let n = 0, at = 0; n < N; n += 1) {
    for (let o = 0; o < C; o += 1) {
      for (let ij = 0; ij < cells; ij += 1, at += 1) y.data[at] += b.data[untied ? o * cells + ij : o];
    }
  }
}

/**
 * db[o] = Σ_{n,i,j} dy[n,o,i,j], and untied db[o,i,j] = Σ_n dy[n,o,i,j]
 *
 * @param {NDArray} dy  (N, C, H, W) or (N, F) @param {{untied?: boolean}} attributes
 */
export function bias_gradient(dy, { untied = false }) {
  const [N, C] = dy.shape;
  const cells = sizeOf(dy.shape.slice(2));
  const db = zeros(dy.shape.slice(1, untied ? undefined : 2));
  for (let n = 0, at = 0; n < N; n += 1) {
    for (let o = 0; o < C; o += 1) {
      for (let ij = 0; ij < cells; ij += 1, at += 1) db.data[untied ? o * cells + ij : o] += dy.data[at];
    }
  }
  return db;
}
