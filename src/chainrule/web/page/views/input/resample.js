/** Image resizing as in Pillow: each pixel is a weighted sum of the pixels under its filter. */

import { blank } from "./gray.js";

/** @typedef {import("./gray.js").Gray} Gray */
/** @typedef {{support: number, weight: (distance: number) => number}} Filter */

/** @type {Filter} */
export const BICUBIC = { support: 2, weight: bicubic };

const A = -0.5;

/** @param {number} distance */
function bicubic(distance) {
  const x = Math.abs(distance);
  if (x < 1) return ((A + 2) * x - (A + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * A : 0;
}

/** @param {Gray} gray @param {number} width @param {number} height @param {Filter} filter @returns {Gray} */
export function resize(gray, width, height, filter) {
  return transposed(along(transposed(along(gray, width, filter)), height, filter));
}

/**
 * Resamples every row to another length.
 * @param {Gray} gray @param {number} width @param {Filter} filter @returns {Gray}
 */
function along(gray, width, filter) {
  const length = gray.width;
  if (width === length) return gray;
  const result = blank(width, gray.height);
  const scale = length / width;
  const wide = Math.max(scale, 1);
  for (let x = 0; x < width; x += 1) {
    const center = (x + 0.5) * scale;
    const first = Math.max(0, Math.floor(center - filter.support * wide + 0.5));
    const last = Math.min(gray.width, Math.floor(center + filter.support * wide + 0.5));
    const weights = Array.from({ length: last - first }, (_, i) => filter.weight((first + i - center + 0.5) / wide));
    const total = weights.reduce((sum, weight) => sum + weight, 0) || 1;
    for (let y = 0; y < gray.height; y += 1) {
      let sum = 0;
      for (let i = 0; i < weights.length; i += 1) sum += weights[i] * gray.data[y * gray.width + first + i];
      result.data[y * width + x] = sum / total;
    }
  }
  return result;
}

/** @param {Gray} gray @returns {Gray} */
function transposed(gray) {
  const result = blank(gray.height, gray.width);
  for (let y = 0; y < gray.height; y += 1) {
    for (let x = 0; x < gray.width; x += 1) result.data[x * gray.height + y] = gray.data[y * gray.width + x];
  }
  return result;
}
