/** Changes to the arrays of a setting: typing, pasting, random values and other sizes. */
import { blockOf } from "../../figures/typed.js";
import { LARGEST, array, resized } from "./setting.js";
import { upstream } from "./computation.js";

/**
 * @typedef {import("./setting.js").Setting} Setting
 * @typedef {import("../../types.js").NDArray} NDArray
 * @typedef {"x" | "w" | "dy" | "b"} Editable
 */

const LOW = -3;
const HIGH = 9;

/** @param {Setting} now @param {Editable} which @returns {NDArray} */
export function arrayOf(now, which) {
  if (which === "dy") return upstream(now);
  return which === "b" ? array([now.b.length], now.b) : now[which];
}

/** @param {Setting} now @param {Editable} which @param {NDArray} values @returns {Setting} */
export function withArray(now, which, values) {
  if (which === "b") return { ...now, b: Array.from(values.data) };
  return which === "x" ? { ...now, x: values, source: "" } : { ...now, [which]: values };
}

/** Changes one value. @param {Setting} now @param {Editable} which @param {number} at @param {number} value */
export function typed(now, which, at, value) {
  const old = arrayOf(now, which);
  const data = Float64Array.from(old.data);
  data[at] = value;
  return withArray(now, which, { shape: old.shape, data });
}

/**
 * Pastes a block from a spreadsheet at a cell. At the first cell, it replaces the plane; elsewhere, the plane grows as
 * needed.
 * @param {Setting} now @param {Editable} which @param {number} at @param {string} text
 * @returns {{now: Setting, words: string}}
 */
export function pasted(now, which, at, text) {
  const rows = blockOf(text);
  const old = arrayOf(now, which);
  const [H, W] = old.shape.slice(-2);
  const [top, left] = [Math.floor((at % (H * W)) / W), at % W];
  const size = [rows.length, Math.max(...rows.map((row) => row.length))];
  const fixed = which === "dy" || which === "b";
  const whole = !fixed && top === 0 && left === 0;
  const wanted = whole ? size : [Math.max(H, top + size[0]), Math.max(W, left + size[1])];
  const most = fixed ? [H, W] : [LARGEST, LARGEST];
  const [rowsKept, columnsKept] = wanted.map((length, axis) => Math.min(length, most[axis]));
  const grown = fixed ? { shape: old.shape, data: Float64Array.from(old.data) } : sized(old, rowsKept, columnsKept);
  const first = Math.floor(at / (H * W)) * rowsKept * columnsKept;
  rows.forEach((row, i) =>
    row.forEach((value, j) => {
      if (top + i < rowsKept && left + j < columnsKept) grown.data[first + (top + i) * columnsKept + left + j] = value;
    }),
  );
  const cut = wanted[0] > rowsKept || wanted[1] > columnsKept;
  const words = cut
    ? `Of the ${size.join(" × ")} values pasted, only those that fit into ${rowsKept} × ${columnsKept} are used.`
    : "";
  return { now: withArray(now, which, grown), words };
}

/**
 * Changes the height and width of an array; new cells are 0.
 * @param {NDArray} old @param {number} rows @param {number} columns
 */
export const sized = (old, rows, columns) => resized(old, [...old.shape.slice(0, -2), rows, columns]);

/**
 * Draws small random integers.
 * @param {NDArray} old
 * @param {number} [low]
 * @param {number} [high]
 * @returns {NDArray}
 */
export function random(old, low = LOW, high = HIGH) {
  const drawn = crypto.getRandomValues(new Uint32Array(old.data.length));
  return { shape: old.shape, data: Float64Array.from(drawn, (value) => low + (value % (high - low + 1))) };
}
