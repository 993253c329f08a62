/**
 * Output sizes and window geometry of convolution and pooling, one axis at a time.
 *
 * @typedef {[number, number]} Pair
 * @typedef {[Pair, Pair]} Padding  ((top, bottom), (left, right))
 * @typedef {{size: number, window: number, stride: number, padding: Pair, dilation: number, outputs: number}} Axis
 * @typedef {{tap: number, offset: number, first: number, last: number}} Tap
 *   tap u of the window; at position i it lies on cell s·i + offset, which is inside the image if first <= i < last
 */

import { sameShape, text } from "./tensor.js";

/**
 * Returns the extent of a dilated window in cells: d(K − 1) + 1.
 *
 * @param {number} window @param {number} dilation
 */
export function extent(window, dilation) {
  return dilation * (window - 1) + 1;
}

/**
 * Returns the number of window positions: H' = ⌊(H + p_before + p_after − d(K − 1) − 1) / s⌋ + 1.
 *
 * @param {number} size @param {number} window @param {number} stride @param {Pair} padding @param {number} dilation
 */
export function outputSize(size, window, stride = 1, padding = [0, 0], dilation = 1) {
  return Math.floor((size + padding[0] + padding[1] - extent(window, dilation)) / stride) + 1;
}

/**
 * Returns the row axis and the column axis of a sliding window; throws if the window does not fit.
 *
 * @param {string} operation @param {string} what  "kernel" or "window"
 * @param {number[]} size @param {number[]} window
 * @param {Pair} stride @param {Padding} padding @param {Pair} dilation
 * @returns {[Axis, Axis]}
 */
export function sliding(operation, what, size, window, stride, padding, dilation = [1, 1]) {
  const reach = window.map((taps, axis) => extent(taps, dilation[axis]));
  if (reach.some((cells, axis) => cells > size[axis] + padding[axis][0] + padding[axis][1])) {
    const spread = sameShape(reach, window) ? what : `${what} ${text(window)} dilated to`;
    const fit = `does not fit the ${text(size)} input (padding ${zerosText(padding)})`;
    throw new Error(`${operation}: ${spread} ${text(reach)} ${fit}`);
  }
  const axes = [0, 1].map((axis) => {
    const outputs = outputSize(size[axis], window[axis], stride[axis], padding[axis], dilation[axis]);
    return {
      size: size[axis],
      window: window[axis],
      stride: stride[axis],
      padding: padding[axis],
      dilation: dilation[axis],
      outputs,
    };
  });
  return [axes[0], axes[1]];
}

/** Formats a padding for a message, as one number if all sides are equal. @param {Padding} padding */
function zerosText(padding) {
  const sides = new Set(padding.flat());
  return sides.size === 1 ? String(padding[0][0]) : `(${padding.map(([a, b]) => `(${a}, ${b})`).join(", ")})`;
}

/** Returns every tap along one axis and the positions where it lies on the image. @param {Axis} axis */
export function tapsOf(axis) {
  /** @type {Tap[]} */
  const taps = [];
  for (let tap = 0; tap < axis.window; tap += 1) {
    const offset = axis.dilation * tap - axis.padding[0];
    const first = Math.max(0, Math.ceil(-offset / axis.stride));
    const last = Math.min(axis.outputs, Math.floor((axis.size - 1 - offset) / axis.stride) + 1);
    taps.push({ tap, offset, first, last: Math.max(last, first) });
  }
  return taps;
}

/**
 * Returns the image cells covered by an undilated window at a position, from first (inclusive) to end (exclusive).
 *
 * @param {Axis} axis @param {number} position
 * @returns {Pair}
 */
export function covered(axis, position) {
  const first = axis.stride * position - axis.padding[0];
  return [Math.max(first, 0), Math.min(first + axis.window, axis.size)];
}
