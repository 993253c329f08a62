/**
 * Formats and parses names of cells: conv2.dw[3,1,0,2].
 *
 * @typedef {import("../types.js").NDArray} NDArray
 * @typedef {import("../types.js").Trace} Trace
 * @typedef {{tensor: string, index: number[]}} Cell
 */

import { ravel } from "../engine/tensor.js";

/**
 * Returns the name of a cell: conv2.dw[3,1,0,2], or loss.y for a tensor without axes.
 *
 * @param {string} tensor @param {number[]} index
 */
export function named(tensor, index) {
  return index.length ? `${tensor}[${index.join(",")}]` : tensor;
}

/** Splits a canonical name into the tensor and the index. @param {string} cell @returns {Cell} */
export function parted(cell) {
  const bracket = cell.indexOf("[");
  if (bracket < 0) return { tensor: cell, index: [] };
  return { tensor: cell.slice(0, bracket), index: cell.slice(bracket + 1, -1).split(",").map(Number) };
}

/**
 * Returns the array that contains a cell and the cell's flat index, or null if the trace has no such canonical name.
 *
 * @param {Trace} trace @param {string} cell
 * @returns {{tensor: string, array: NDArray, flat: number} | null}
 */
export function placeOf(trace, cell) {
  const { tensor, index } = parted(cell);
  const array = trace.values.get(tensor);
  return array && array.shape.length === index.length ? { tensor, array, flat: ravel(index, array.shape) } : null;
}

/** Returns the value of a cell, or null if there is no such cell. @param {Trace} trace @param {string} cell */
export function valueOf(trace, cell) {
  const place = placeOf(trace, cell);
  return place ? (place.array.data[place.flat] ?? null) : null;
}

/**
 * Splits a tensor's name into the layer and the rest: "conv2.w.update" into conv2 and w.update.
 *
 * @param {string} tensor
 */
export function layered(tensor) {
  const dot = tensor.indexOf(".");
  return dot < 0 ? { layer: "", rest: tensor } : { layer: tensor.slice(0, dot), rest: tensor.slice(dot + 1) };
}

/** Returns the phase in which a cell is shown; null for parameters before the step. @param {string} cell @returns {import("../types.js").Phase | null} */
export function phaseOf(cell) {
  const { rest } = layered(parted(cell).tensor);
  if (rest.includes(".")) return "update"; // w.update, w.g and the moments
  if (/^d/u.test(rest)) return "backward";
  return rest === "y" || rest === "winner" ? "forward" : null;
}
