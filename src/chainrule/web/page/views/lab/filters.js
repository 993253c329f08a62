/** The filters that image editors know, as kernels of whole numbers over a divisor. */
import { array } from "./setting.js";

/** @typedef {{name: string, words: string, rows: number[][], divisor: number}} Filter */

/** @type {Filter[]} */
export const FILTERS = [
  {
    name: "identity",
    words: "every pixel as it is",
    rows: [
      [0, 0, 0],
      [0, 1, 0],
      [0, 0, 0],
    ],
    divisor: 1,
  },
  {
    name: "box blur",
    words: "the mean of nine neighbours",
    rows: [
      [1, 1, 1],
      [1, 1, 1],
      [1, 1, 1],
    ],
    divisor: 9,
  },
  {
    name: "Gaussian blur",
    words: "a mean that trusts the centre most",
    rows: [
      [1, 2, 1],
      [2, 4, 2],
      [1, 2, 1],
    ],
    divisor: 16,
  },
  {
    name: "sharpen",
    words: "the pixel, plus what it has over its four neighbours",
    rows: [
      [0, -1, 0],
      [-1, 5, -1],
      [0, -1, 0],
    ],
    divisor: 1,
  },
  {
    name: "Sobel x",
    words: "right minus left: large on upright edges",
    rows: [
      [-1, 0, 1],
      [-2, 0, 2],
      [-1, 0, 1],
    ],
    divisor: 1,
  },
  {
    name: "Sobel y",
    words: "below minus above: large on level edges",
    rows: [
      [-1, -2, -1],
      [0, 0, 0],
      [1, 2, 1],
    ],
    divisor: 1,
  },
  {
    name: "edges (Laplacian)",
    words: "neighbours minus centre: 0 wherever nothing changes",
    rows: [
      [0, 1, 0],
      [1, -4, 1],
      [0, 1, 0],
    ],
    divisor: 1,
  },
  {
    name: "emboss",
    words: "lit from the upper left",
    rows: [
      [-2, -1, 0],
      [-1, 1, 1],
      [0, 1, 2],
    ],
    divisor: 1,
  },
];

/** @param {string} name @returns {Filter} */
export const filterNamed = (name) => FILTERS.find((each) => each.name === name) ?? FILTERS[0];

/**
 * A filter for a picture of so many channels: the same for each, over their number, so that the result keeps its scale.
 * @param {Filter} filter
 * @param {number} channels
 */
export function kernelOf(filter, channels) {
  const values = filter.rows.flat().map((value) => value / (filter.divisor * channels));
  const all = Array.from({ length: channels }, () => values).flat();
  return array([1, channels, filter.rows.length, filter.rows[0].length], all);
}
