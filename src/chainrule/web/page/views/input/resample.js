/** Pictures in another size, as Pillow resizes them: each pixel a weighted sum of those under its filter. */

import { blank } from "./grey.js";

/** @typedef {import("./grey.js").Grey} Grey */
/** @typedef {{support: number, weight: (distance: number) => number}} Filter */

/** @type {Filter} */
export const BOX = { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) };
/** @type {Filter} */
export const BILINEAR = { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) };
/** @type {Filter} */
export const BICUBIC = { support: 2, weight: bicubic };

const A = -0.5;

/** @param {number} distance */
function bicubic(distance) {
  const x = Math.abs(distance);
  if (x < 1) return ((A + 2) * x - (A + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * A : 0;
}

/** @param {Grey} grey @param {number} width @param {number} height @param {Filter} filter @returns {Grey} */
export function resize(grey, width, height, filter) {
  return transposed(along(transposed(along(grey, width, filter)), height, filter));
}

/** Every row in another length. @param {Grey} grey @param {number} width @param {Filter} filter @returns {Grey} */
function along(grey, width, filter) {
  if (width === grey.width) return grey;
  const result = blank(width, grey.height);
  const scale = grey.width / width;
  const wide = Math.max(scale, 1);
  for (let x = 0; x < width; x += 1) {
    const centre = (x + 0.5) * scale;
    const first = Math.max(0, Math.floor(centre - filter.support * wide + 0.5));
    const last = Math.min(grey.width, Math.floor(centre + filter.support * wide + 0.5));
    const weights = Array.from({ length: last - first }, (_, i) => filter.weight((first + i - centre + 0.5) / wide));
    const total = weights.reduce((sum, weight) => sum + weight, 0) || 1;
    for (let y = 0; y < grey.height; y += 1) {
      let sum = 0;
      for (let i = 0; i < weights.length; i += 1) sum += weights[i] * grey.data[y * grey.width + first + i];
      result.data[y * width + x] = sum / total;
    }
  }
  return result;
}

/** @param {Grey} grey @returns {Grey} */
function transposed(grey) {
  const result = blank(grey.height, grey.width);
  for (let y = 0; y < grey.height; y += 1) {
    for (let x = 0; x < grey.width; x += 1) result.data[x * grey.height + y] = grey.data[y * grey.width + x];
  }
  return result;
}
