/**
 * Resampling of images to another size, and its gradient: weighted sums of neighboring cells.
 *
 * @typedef {import("../types.js").NDArray} NDArray
 * @typedef {import("./shapes.js").Pair} Pair
 * @typedef {"average" | "nearest" | "bilinear"} Mode
 */

import { zeros } from "./tensor.js";

const WHOLE_IMAGE = [[0, 0, 0], [0, 0, 0]];

/**
 * y[n,c,i,j] = Σ_{h,k} a[i,h] · b[j,k] · x[n,c,h,k]
 *
 * @param {NDArray} x  (N, C, H, W) @param {{outputs: Pair, mode: Mode, lines?: number[][]}} options
 */
export function resample(x, { outputs, mode, lines = WHOLE_IMAGE }) {
  const y = zeros([x.shape[0], x.shape[1], ...outputs]);
  eachWeight(y.shape, x.shape, mode, lines, (at, place, weight) => {
    y.data[at] += weight * x.data[place];
  });
  return y;
}

/**
 * dx[n,c,h,k] = Σ_{i,j} a[i,h] · b[j,k] · dy[n,c,i,j]
 *
 * @param {NDArray} dy  (N, C, H', W') @param {{size: Pair, mode: Mode, lines?: number[][]}} options  size: (H, W) of x
 */
export function resample_dx(dy, { size, mode, lines = WHOLE_IMAGE }) {
  const dx = zeros([dy.shape[0], dy.shape[1], ...size]);
  eachWeight(dy.shape, dx.shape, mode, lines, (at, place, weight) => {
    dx.data[place] += weight * dy.data[at];
  });
  return dx;
}

/**
 * Visits all pairs of an output and a cell that it reads, with their offsets and the weight.
 *
 * @param {number[]} outputs  shape of y @param {number[]} cells  shape of x @param {Mode} mode @param {number[][]} lines
 * @param {(at: number, place: number, weight: number) => void} visit
 */
function eachWeight([N, C, high, wide], cells, mode, lines, visit) {
  const [, , height, width] = cells;
  const rows = Array.from({ length: high }, (_, i) => resamplingWeights(mode, height, high, i, lines[0]));
  const columns = Array.from({ length: wide }, (_, j) => resamplingWeights(mode, width, wide, j, lines[1]));
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
 * @param {Mode} mode @param {number} size @param {number} outputs @param {number} i
 * @param {number[]} line  [a, b, c]: output i lies at position (a·i + b)/c; c = 0: outputs cover the whole axis
 * @returns {[number, number][]}
 */
export function resamplingWeights(mode, size, outputs, i, line = [0, 0, 0]) {
  if (mode === "average") {
    const first = Math.floor((i * size) / outputs);
    const count = Math.ceil(((i + 1) * size) / outputs) - first;
    return Array.from({ length: count }, (_, cell) => [first + cell, 1 / count]);
  }
  const whole = mode === "nearest" ? [size, 0, outputs] : [2 * size, size - outputs, 2 * outputs];
  const [a, b, c] = line[2] ? line : whole;
  const place = Math.min(Math.max(a * i + b, 0), (size - 1) * c);
  const [before, share] = [Math.floor(place / c), (place % c) / c];
  return mode === "bilinear" && before + 1 < size ? [[before, 1 - share], [before + 1, share]] : [[before, 1]];
}

/**
 * Returns the outputs along one axis that read a cell, with its weight in each.
 *
 * @param {Mode} mode @param {number} size @param {number} outputs @param {number} cell @param {number[]} [line]
 * @returns {[number, number][]}
 */
export function resamplingReaders(mode, size, outputs, cell, line) {
  return Array.from({ length: outputs }, (_, i) => i).flatMap((i) => {
    const weight = resamplingWeights(mode, size, outputs, i, line).find(([place]) => place === cell);
    return weight ? [/** @type {[number, number]} */ ([i, weight[1]])] : [];
  });
}
