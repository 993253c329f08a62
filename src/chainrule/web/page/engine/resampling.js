/**
 * Resampling of images to another size, and its gradient: weighted sums of neighboring cells.
 *
 * @typedef {import("../types.js").NDArray} NDArray
 * @typedef {import("./shapes.js").Pair} Pair
 * @typedef {"average" | "nearest" | "bilinear"} Mode
 */

import { zeros } from "./tensor.js";

/**
 * y[n,c,i,j] = Σ_{h,k} a[i,h] · b[j,k] · x[n,c,h,k]
 *
 * @param {NDArray} x  (N, C, H, W) @param {{outputs: Pair, mode: Mode}} options
 */
export function resample(x, { outputs, mode }) {
  const y = zeros([x.shape[0], x.shape[1], ...outputs]);
  eachWeight(y.shape, x.shape, mode, (at, place, weight) => {
    y.data[at] += weight * x.data[place];
  });
  return y;
}

/**
 * dx[n,c,h,k] = Σ_{i,j} a[i,h] · b[j,k] · dy[n,c,i,j]
 *
 * @param {NDArray} dy  (N, C, H', W') @param {{size: Pair, mode: Mode}} options  size: (H, W) of x
 */
export function resample_dx(dy, { size, mode }) {
  const dx = zeros([dy.shape[0], dy.shape[1], ...size]);
  eachWeight(dy.shape, dx.shape, mode, (at, place, weight) => {
    dx.data[place] += weight * dy.data[at];
  });
  return dx;
}

/**
 * Visits all pairs of an output and a cell that it reads, with their offsets and the weight.
 *
 * @param {number[]} outputs  shape of y @param {number[]} cells  shape of x @param {Mode} mode
 * @param {(at: number, place: number, weight: number) => void} visit
 */
function eachWeight([N, C, high, wide], cells, mode, visit) {
  const [, , height, width] = cells;
  const rows = Array.from({ length: high }, (_, i) => resamplingWeights(mode, height, high, i));
  const columns = Array.from({ length: wide }, (_, j) => resamplingWeights(mode, width, wide, j));
  for (let plane = 0, at = 0; plane < N * C; plane += 1) {
    for (const down of rows) {
      for (const across of columns) {
        for (const [h, a] of down) for (const [k, b] of across) visit(at, (plane * height + h) * width + k, a * b);
        at += 1;
      }
    }
  }
}

/**
 * Returns the cells that output i of a resampled axis reads, with their weights.
 *
 * @param {Mode} mode @param {number} size @param {number} outputs @param {number} i @returns {[number, number][]}
 */
export function resamplingWeights(mode, size, outputs, i) {
  const first = Math.floor((i * size) / outputs);
  if (mode === "average") {
    const count = Math.ceil(((i + 1) * size) / outputs) - first;
    return Array.from({ length: count }, (_, cell) => [first + cell, 1 / count]);
  }
  if (mode === "nearest") return [[first, 1]];
  const place = Math.max((2 * i + 1) * size - outputs, 0);
  const [before, share] = [Math.floor(place / (2 * outputs)), (place % (2 * outputs)) / (2 * outputs)];
  return before + 1 < size ? [[before, 1 - share], [before + 1, share]] : [[before, 1]];
}
