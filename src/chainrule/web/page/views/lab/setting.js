/**
 * A setting of the lab: the arrays and the options of the operation.
 *
 * @typedef {import("../../types.js").NDArray} NDArray
 * @typedef {"correlation" | "convolution" | "max" | "average" | "sum"} Kind
 * @typedef {[number, number]} Pair
 * @typedef {"valid" | "same" | "full" | [Pair, Pair]} Padding
 * @typedef {"cells" | "window"} Divisor
 * @typedef {{
 *   kind: Kind, x: NDArray, w: NDArray, b: number[], dy: NDArray | null,
 *   stride: Pair | null, padding: Padding, dilation: Pair, window: Pair, divisor: Divisor,
 *   source: string, beside: boolean, cell: string | null,
 * }} Setting
 *   x: (C_in, H, W); w: (C_out, C_in, KH, KW); b: one value per filter; window: of pooling.
 *   dy null: the pattern of upstream.js. stride null: 1 for a convolution, the window for pooling.
 *   source: "" if x was typed, else the origin of its pixels ("sample 12"); beside: whether the results of correlation
 *   and convolution are shown side by side; cell: the explained cell
 */
import { zeros } from "../../engine/tensor.js";

export const LARGEST = 12;
export const CHANNELS = 3;
export const FARTHEST = 32;

/** @param {Kind} kind */
export const slides = (kind) => kind === "correlation" || kind === "convolution";

/**
 * @param {number[]} shape
 * @param {ArrayLike<number>} [values]
 * @returns {NDArray}
 */
export function array(shape, values) {
  return values ? { shape, data: Float64Array.from(values) } : zeros(shape);
}

/**
 * Builds a plane from its rows.
 * @param {number[][]} rows
 * @returns {NDArray}
 */
export const plane = (rows) => array([1, rows.length, rows[0].length], rows.flat());

/** Returns the tutorials' worked example: The Independent Code's 3×3 image and 2×2 kernel. */
export function worked() {
  return setting(
    plane([
      [1, 6, 2],
      [5, 3, 1],
      [7, 0, 4],
    ]),
    kernel([
      [1, 2],
      [-1, 0],
    ]),
  );
}

/**
 * Builds a kernel of one filter and one channel from its rows.
 * @param {number[][]} rows
 * @returns {NDArray}
 */
export const kernel = (rows) => array([1, 1, rows.length, rows[0].length], rows.flat());

/**
 * @param {NDArray} x
 * @param {NDArray} w
 * @param {Partial<Setting>} [change]
 * @returns {Setting}
 */
export function setting(x, w, change = {}) {
  return {
    kind: "correlation",
    x,
    w,
    b: Array(w.shape[0]).fill(0),
    dy: null,
    stride: null,
    padding: "valid",
    dilation: [1, 1],
    window: [2, 2],
    divisor: "cells",
    source: "",
    beside: false,
    cell: null,
    ...change,
  };
}

/**
 * Resizes an array. Elements that fit keep their indices; new elements are set by `fill`.
 * @param {NDArray} from
 * @param {number[]} shape
 * @param {(at: number[]) => number} [fill]
 * @returns {NDArray}
 */
export function resized(from, shape, fill = () => 0) {
  const to = array(shape);
  const at = shape.map(() => 0);
  for (let k = 0; k < to.data.length; k++) {
    const inside = at.every((index, axis) => index < from.shape[axis]);
    to.data[k] = inside ? from.data[at.reduce((sum, index, axis) => sum * from.shape[axis] + index, 0)] : fill(at);
    for (let axis = shape.length - 1; axis >= 0 && ++at[axis] === shape[axis]; axis--) at[axis] = 0;
  }
  return to;
}

/**
 * Returns the setting with other numbers of channels and filters. The values of new planes differ from existing planes.
 * @param {Setting} old
 * @param {number} channels
 * @param {number} filters
 * @returns {Setting}
 */
export function withChannels(old, channels, filters) {
  const [, H, W] = old.x.shape;
  const [, , KH, KW] = old.w.shape;
  const b = Array.from({ length: filters }, (_, o) => old.b[o] ?? 0);
  return {
    ...old,
    b,
    dy: null,
    x: resized(old.x, [channels, H, W], ([c, i, j]) => (3 * i + 5 * j + 2 * c + 1) % 8),
    w: resized(old.w, [filters, channels, KH, KW], ([o, c, u, v]) => ((u + 2 * v + o + 2 * c) % 4) - 1),
  };
}
