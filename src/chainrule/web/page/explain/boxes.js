/**
 * Sizes and indices of boxes of cells.
 *
 * @typedef {import("../types.js").Box} Box
 */

import { sizeOf, unravel } from "../engine/tensor.js";

/**
 * Returns the indices of a box's cells, row by row.
 *
 * @param {Box} box
 */
export function indicesOf(box) {
  const sizes = sides(box);
  return Array.from({ length: sizeOf(sizes) }, (_, at) => {
    return unravel(at, sizes).map((step, axis) => step + box.from[axis]);
  });
}

/** Returns the smallest box around some cells. @param {number[][]} indices @returns {Omit<Box, "tensor">} */
export function bounds(indices) {
  const along = (/** @type {(...positions: number[]) => number} */ pick) =>
    indices[0].map((_, axis) => pick(...indices.map((index) => index[axis])));
  return { from: along(Math.min), to: along(Math.max).map((last) => last + 1) };
}

/** @param {Box} box */
function sides({ from, to }) {
  return to.map((end, axis) => end - from[axis]);
}
