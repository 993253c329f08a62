/**
 * Local response normalization: every value is divided by a power of a sum of squares in neighboring channels.
 *
 * The window of channel c consists of the existing channels m with |m − c| ≤ (size − 1)/2; size is odd.
 *
 * @typedef {import("../types.js").NDArray} NDArray
 * @typedef {{size: number, alpha?: number, beta?: number, k?: number}} Options
 */

import { checkAxes, checkSame, zeros } from "./tensor.js";

/**
 * y[n,c,i,j] = x[n,c,i,j] · s[n,c,i,j]^(−beta)        s[n,c,i,j] = k + alpha/size Σ_m x[n,m,i,j]²
 *
 * @param {NDArray} x @param {Options} options
 */
export function local_response_norm(x, options) {
  checkAxes("local_response_norm", "x", x, "N, C, H, W");
  const { beta = 0.75 } = options;
  const [s, y] = [scales(x, options), zeros(x.shape)];
  for (let e = 0; e < y.data.length; e += 1) y.data[e] = x.data[e] * s.data[e] ** -beta;
  return y;
}

/**
 * dx[n,c,i,j] = dy[n,c,i,j] · s[n,c,i,j]^(−beta) − 2 · alpha · beta/size · x[n,c,i,j] · d[n,c,i,j]
 *
 * d[n,c,i,j] = Σ_m dy[n,m,i,j] · x[n,m,i,j] · s[n,m,i,j]^(−beta − 1)
 *
 * @param {NDArray} dy @param {NDArray} x @param {Options} options
 */
export function local_response_norm_dx(dy, x, options) {
  checkAxes("local_response_norm_dx", "x", x, "N, C, H, W");
  checkSame("local_response_norm_dx", { dy, x });
  const { size, alpha = 1e-4, beta = 0.75 } = options;
  const [s, products, dx] = [scales(x, options), zeros(x.shape), zeros(x.shape)];
  for (let e = 0; e < x.data.length; e += 1) products.data[e] = dy.data[e] * x.data[e] * s.data[e] ** (-beta - 1);
  const d = windowSums(products, size);
  for (let e = 0; e < x.data.length; e += 1) {
    dx.data[e] = dy.data[e] * s.data[e] ** -beta - ((2 * alpha * beta) / size) * x.data[e] * d.data[e];
  }
  return dx;
}

/** s @param {NDArray} x @param {Options} options */
function scales(x, { size, alpha = 1e-4, k = 1 }) {
  const squares = zeros(x.shape);
  for (let e = 0; e < x.data.length; e += 1) squares.data[e] = x.data[e] ** 2;
  const s = windowSums(squares, size);
  for (let e = 0; e < s.data.length; e += 1) s.data[e] = k + (alpha / size) * s.data[e];
  return s;
}

/** Returns the sums over each channel's window. @param {NDArray} values @param {number} size */
function windowSums(values, size) {
  const [N, C, H, W] = values.shape;
  const [half, cells, sums] = [Math.floor(size / 2), H * W, zeros(values.shape)];
  for (let plane = 0; plane < N * C; plane += 1) {
    const c = plane % C;
    for (let m = Math.max(0, c - half); m <= Math.min(C - 1, c + half); m += 1) {
      const from = (plane - c + m) * cells;
      for (let ij = 0; ij < cells; ij += 1) sums.data[plane * cells + ij] += values.data[from + ij];
    }
  }
  return sums;
}
