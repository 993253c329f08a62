/**
 * Parametric ReLU: leaky ReLU with one learnt slope per channel.
 *
 * @typedef {import("../types.js").NDArray} NDArray
 */

import { checkChannels, checkSame, eachCell, zeros } from "./tensor.js";

/**
 * y[n,c,i,j] = x[n,c,i,j] where x[n,c,i,j] > 0, else slope[c] · x[n,c,i,j]
 *
 * @param {NDArray} x  (N, C, H, W) or (N, C) @param {NDArray} slope  (C,)
 */
export function prelu(x, slope) {
  checkChannels("prelu", x, { slope });
  const y = zeros(x.shape);
  eachCell(x.shape, (e, c) => {
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
  checkChannels("prelu_dx", x, { slope });
  checkSame("prelu_dx", { dy, x });
  const dx = zeros(x.shape);
  eachCell(x.shape, (e, c) => {
    dx.data[e] = x.data[e] <= 0 ? slope.data[c] * dy.data[e] : dy.data[e];
  });
  return dx;
}

/** dslope[c] = Σ_{n,i,j} dy[n,c,i,j] · min(0, x[n,c,i,j]) @param {NDArray} dy @param {NDArray} x */
export function prelu_dw(dy, x) {
  checkChannels("prelu_dw", x, {});
  checkSame("prelu_dw", { dy, x });
  const dslope = zeros([x.shape[1]]);
  eachCell(x.shape, (e, c) => {
    if (x.data[e] <= 0) dslope.data[c] += dy.data[e] * x.data[e];
  });
  return dslope;
}
