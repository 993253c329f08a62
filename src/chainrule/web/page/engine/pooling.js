/**
 * Max and average (or sum) pooling, and their gradients.
 *
 * @typedef {import("../types.js").NDArray} NDArray
 * @typedef {import("./shapes.js").Pair} Pair
 * @typedef {import("./shapes.js").Padding} Padding
 * @typedef {import("./shapes.js").Axis} Axis
 * @typedef {{window: Pair, stride?: Pair | null, padding?: Padding}} Options
 * @typedef {"cells" | "window" | "one"} Divisor
 */

import { covered, sliding } from "./shapes.js";
import { beats, integers, zeros } from "./tensor.js";

/**
 * Finds the maximum of each window and the position of the maximum.
 *
 * y[n,c,i,j]      = max_{u,v} x[n,c,h,k]        h = s·i + u − p_top, k = s·j + v − p_left, on the image only
 * winner[n,c,i,j] = h·W + k of the maximum: the first in row-major window order; the first NaN if there is one
 *
 * @param {NDArray} x  (N, C, H, W) @param {Options} options
 * @returns {[NDArray, NDArray]}  y and winner, both (N, C, H', W')
 */
export function max_pool(x, options) {
  const [rows, columns] = pooled(x.shape.slice(2), options);
  const shape = [x.shape[0], x.shape[1], rows.outputs, columns.outputs];
  const [y, winner] = [zeros(shape), integers(shape)];
  eachWindow(shape, rows, columns, (at, plane, top, bottom, left, right) => {
    let best = -1;
    for (let h = top; h < bottom; h += 1) {
      for (let k = left; k < right; k += 1) {
        const place = h * columns.size + k;
        if (best < 0 || beats(x.data[plane + place], x.data[plane + best])) best = place;
      }
    }
    y.data[at] = x.data[plane + best];
    winner.data[at] = best;
  });
  return [y, winner];
}

/**
 * dx[n,c,h,k] = Σ_{i,j} dy[n,c,i,j]        over the windows that cell (h, k) won: winner[n,c,i,j] = h·W + k
 *
 * @param {NDArray} dy  (N, C, H', W') @param {NDArray} winner @param {{size: Pair}} options  size: (H, W) of x
 * @returns {NDArray}
 */
export function max_pool_dx(dy, winner, { size }) {
  const [N, C, rows, columns] = dy.shape;
  const dx = zeros([N, C, ...size]);
  for (let plane = 0, at = 0; plane < N * C; plane += 1) {
    const first = plane * size[0] * size[1];
    for (let ij = 0; ij < rows * columns; ij += 1, at += 1) dx.data[first + winner.data[at]] += dy.data[at];
  }
  return dx;
}

/**
 * Computes the sum of each window, divided by D.
 *
 * y[n,c,i,j] = 1/D Σ_{u,v} x[n,c,h,k]        h = s·i + u − p_top, k = s·j + v − p_left, on the image only
 *
 * @param {NDArray} x  (N, C, H, W)
 * @param {Options & {divisor?: Divisor}} options  D is the number of cells on the image ("cells"), KH·KW ("window"), 1
 * @returns {NDArray}
 */
export function average_pool(x, options) {
  const [rows, columns] = pooled(x.shape.slice(2), options);
  const y = zeros([x.shape[0], x.shape[1], rows.outputs, columns.outputs]);
  const divisor = divided(options.divisor ?? "cells", rows, columns);
  eachWindow(y.shape, rows, columns, (at, plane, top, bottom, left, right) => {
    let sum = 0;
    for (let h = top; h < bottom; h += 1) {
      for (let k = left; k < right; k += 1) sum += x.data[plane + h * columns.size + k];
    }
    y.data[at] = sum / divisor(top, bottom, left, right);
  });
  return y;
}

/**
 * dx[n,c,h,k] = Σ_{i,j} dy[n,c,i,j] / D        over the windows that cover cell (h, k)
 *
 * @param {NDArray} dy  (N, C, H', W') @param {Options & {divisor?: Divisor, size: Pair}} options  size: (H, W) of x
 * @returns {NDArray}
 */
export function average_pool_dx(dy, options) {
  const [rows, columns] = pooled(options.size, options);
  const dx = zeros([dy.shape[0], dy.shape[1], ...options.size]);
  const divisor = divided(options.divisor ?? "cells", rows, columns);
  eachWindow(dy.shape, rows, columns, (at, plane, top, bottom, left, right) => {
    const share = dy.data[at] / divisor(top, bottom, left, right);
    for (let h = top; h < bottom; h += 1) {
      for (let k = left; k < right; k += 1) dx.data[plane + h * columns.size + k] += share;
    }
  });
  return dx;
}

/**
 * Visits every window, with its offset in y, the offset of its plane in x, and the part of the image that it covers:
 * from top and left (inclusive) to bottom and right (exclusive).
 *
 * @param {number[]} shape  shape of y @param {Axis} rows @param {Axis} columns
 * @param {(at: number, plane: number, top: number, bottom: number, left: number, right: number) => void} visit
 */
function eachWindow([N, C], rows, columns, visit) {
  const [down, across] = [rows, columns].map((axis) => {
    return Array.from({ length: axis.outputs }, (_, position) => covered(axis, position));
  });
  for (let plane = 0, at = 0; plane < N * C; plane += 1) {
    for (const [top, bottom] of down) {
      for (const [left, right] of across) {
        visit(at, plane * rows.size * columns.size, top, bottom, left, right);
        at += 1;
      }
    }
  }
}

/**
 * Returns the function that computes the divisor of a window.
 *
 * @param {Divisor} divisor @param {Axis} rows @param {Axis} columns
 * @returns {(top: number, bottom: number, left: number, right: number) => number}
 */
function divided(divisor, rows, columns) {
  if (divisor === "cells") return (top, bottom, left, right) => (bottom - top) * (right - left);
  if (divisor === "window") return () => rows.window * columns.window;
  return () => 1;
}

/** Returns the row axis and the column axis. @param {number[]} size @param {Options} options */
function pooled(size, { window, stride, padding = [[0, 0], [0, 0]] }) {
  return sliding(size, window, stride ?? window, padding);
}
