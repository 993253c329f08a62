/** Image resizing as in Pillow: each pixel is a weighted sum of the pixels under its filter. */

import { blank } from "./gray.js";

/** @typedef {import("./gray.js").Gray} Gray */
/** @typedef {{support: number, weight: (distance: number) => number}} Filter */

/** @type {Filter} */
const BOX = { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) };
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

/** @param {Gray} gray @param {number} width @param {number} height @param {Filter} filter @returns {Gray} */
export function resize(gray, width, height, filter) {
  return transposed(along(transposed(along(gray, width, filter, gray.width)), height, filter, gray.height));
}

/**
 * Reduces an image of bytes so that its longest side has `most` pixels: averages blocks of pixels down to at least
 * twice that size, then resamples by area.
 * @param {Gray} gray @param {number} most @returns {Gray}
 */
export function shrunk(gray, most) {
  const [width, height] = sizeWithin(gray, most);
  const across = Math.max(1, Math.trunc(gray.width / width / 2));
  const down = Math.max(1, Math.trunc(gray.height / height / 2));
  const part = averaged(gray, across, down);
  const rows = bytes(along(part, width, BOX, gray.width / across));
  return bytes(transposed(along(transposed(rows), height, BOX, gray.height / down)));
}

/** Returns the size with longest side `most` and the closest aspect ratio. @param {Gray} gray @param {number} most */
function sizeWithin({ width, height }, most) {
  const aspect = width / height;
  /** @type {(exact: number, off: (n: number) => number) => number} */
  const best = (exact, off) => {
    const [low, high] = [Math.floor(exact), Math.ceil(exact)];
    return Math.max(off(low) <= off(high) ? low : high, 1);
  };
  if (aspect <= 1) return [best(most * aspect, (n) => Math.abs(aspect - n / most)), most];
  return [most, best(most / aspect, (n) => (n === 0 ? 0 : Math.abs(aspect - most / n)))];
}

/** Averages blocks of pixels. @param {Gray} gray @param {number} across @param {number} down @returns {Gray} */
function averaged(gray, across, down) {
  if (across === 1 && down === 1) return gray;
  const result = blank(Math.ceil(gray.width / across), Math.ceil(gray.height / down));
  const count = new Float64Array(result.data.length);
  for (let y = 0; y < gray.height; y += 1) {
    for (let x = 0; x < gray.width; x += 1) {
      const to = Math.floor(y / down) * result.width + Math.floor(x / across);
      result.data[to] += gray.data[y * gray.width + x];
      count[to] += 1;
    }
  }
  return { ...result, data: result.data.map((sum, i) => Math.round(sum / count[i])) };
}

/** @param {Gray} gray @returns {Gray} */
function bytes(gray) {
  return { ...gray, data: gray.data.map((value) => Math.round(Math.min(255, Math.max(0, value)))) };
}

/**
 * Resamples every row to another length.
 * @param {Gray} gray @param {number} width @param {Filter} filter
 * @param {number} length  of the rows; the last pixel may be partly covered
 * @returns {Gray}
 */
function along(gray, width, filter, length) {
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
