/**
 * Parametric ReLU: leaky ReLU with one learnt slope per channel.
 *
 * @typedef {import("../types.js").NDArray} NDArray
 */

import { checkSame, checkShape, sizeOf, text, zeros } from "./tensor.js";

/**
 * y[n,c,i,j] = x[n,c,i,j] where x[n,c,i,j] > 0, else slope[c] · x[n,c,i,j]
 *
 * @param {NDArray} x  (N, C, H, W) or (N, C) @param {NDArray} slope  (C,)
 */
export function prelu(x, slope) {
  checked("prelu", x, slope);
  const y = zeros(x.shape);
  eachEntry(x.shape, (e, c) => {
    y.data[e] = x.data[e] <= 0 ? slope.data[c] * x.data[e] : x.data[e];
  });
  return y;
}

/**
 * dx[n,c,i,j] = dy[n,c,i,j] where x[n,c,i,j] > 0, else slope[c] · dy[n,c,i,j]
 *
 * @param {NDArray} dy @param {NDArray} x @param {NDArray} slope
 */
export function prelu_dx(dy, x, slope) {
  checked("prelu_dx", x, slope);
  checkSame("prelu_dx", { dy, x });
  const dx = zeros(x.shape);
  eachEntry(x.shape, (e, c) => {
    dx.data[e] = x.data[e] <= 0 ? slope.data[c] * dy.data[e] : dy.data[e];
  });
  return dx;
}

/** dslope[c] = Σ_{n,i,j} dy[n,c,i,j] · min(0, x[n,c,i,j]) @param {NDArray} dy @param {NDArray} x */
export function prelu_dw(dy, x) {
  checked("prelu_dw", x);
  checkSame("prelu_dw", { dy, x });
  const dslope = zeros([x.shape[1]]);
  eachEntry(x.shape, (e, c) => {
    if (x.data[e] <= 0) dslope.data[c] += dy.data[e] * x.data[e];
  });
  return dslope;
}

/**
 * Visits all entries of an array (N, C, …), with the channel of each.
 *
 * @param {number[]} shape @param {(e: number, c: number) => void} visit
 */
function eachEntry([N, C, ...size], visit) {
  const cells = sizeOf(size);
  for (let plane = 0, e = 0; plane < N * C; plane += 1) {
    for (let ij = 0; ij < cells; ij += 1, e += 1) visit(e, plane % C);
  }
}

/** @param {string} name @param {NDArray} x @param {NDArray} [slope] */
function checked(name, x, slope) {
  if (x.shape.length !== 2 && x.shape.length !== 4) {
    throw new Error(`${name}: x is ${text(x.shape)}, expected (N, C, H, W) or (N, C)`);
  }
  if (slope) checkShape(name, "slope", slope, [x.shape[1]]);
}
