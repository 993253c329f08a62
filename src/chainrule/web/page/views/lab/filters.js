/** Filters known from image editors, as integer kernels with a divisor. */
import { array } from "./setting.js";

/** @typedef {{name: string, words: string, rows: number[][], divisor: number}} Filter */

/** @type {Filter[]} */
export const FILTERS = [
  { name: "identity", words: "every pixel unchanged", divisor: 1, rows: [[0, 0, 0], [0, 1, 0], [0, 0, 0]] },
  { name: "box blur", words: "the mean of the 3 × 3 neighbourhood", divisor: 9, rows: [[1, 1, 1], [1, 1, 1], [1, 1, 1]] },
  { name: "Gaussian blur", words: "a mean weighted towards the centre", divisor: 16, rows: [[1, 2, 1], [2, 4, 2], [1, 2, 1]] },
  { name: "sharpen", words: "the pixel plus its differences from its four neighbours", divisor: 1, rows: [[0, -1, 0], [-1, 5, -1], [0, -1, 0]] },
  { name: "Sobel x", words: "right minus left: large at vertical edges", divisor: 1, rows: [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]] },
  { name: "Sobel y", words: "below minus above: large at horizontal edges", divisor: 1, rows: [[-1, -2, -1], [0, 0, 0], [1, 2, 1]] },
  { name: "edges (Laplacian)", words: "neighbours minus centre: 0 wherever nothing changes", divisor: 1, rows: [[0, 1, 0], [1, -4, 1], [0, 1, 0]] },
  { name: "emboss", words: "lit from the upper left", divisor: 1, rows: [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]] },
];

/** @param {string} name @returns {Filter} */
export const filterNamed = (name) => FILTERS.find((each) => each.name === name) ?? FILTERS[0];

/**
 * Returns a filter for several channels: the same kernel for each channel, divided by the number of channels to keep
 * the scale.
 * @param {Filter} filter
 * @param {number} channels
 */
export function kernelOf(filter, channels) {
  const values = filter.rows.flat().map((value) => value / (filter.divisor * channels));
  const all = Array.from({ length: channels }, () => values).flat();
  return array([1, channels, filter.rows.length, filter.rows[0].length], all);
}
