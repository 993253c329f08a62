/**
 * Detection of the ink of a drawn or photographed digit: removes background and specks. The Python version is in
 * data/inputs.py.
 */

import { blank } from "./gray.js";

/** @typedef {import("./gray.js").Gray} Gray */

const LEAST_CONTRAST = 12; // gray levels of 255
const STROKE_SHARE = 0.3; // strokes are narrower than this fraction of the longest side
const SPECK_SHARE = 0.08; // of the largest component's mass; smaller components are dust, larger ones may be the bar of a 5
const CLEARLY_INK = 0.25;

/**
 * Returns the amount of ink at each pixel of a grayscale image, from 0 to 1, independent of its brightness.
 * @param {Gray} gray @returns {Gray | null}  null when the image is blank
 */
export function findInk(gray) {
  const light = upright(gray);
  const side = Math.max(light.width, light.height);
  const window = Math.max(3, Math.trunc(STROKE_SHARE * side) | 1);
  const opened = filtered(filtered(light, window, Math.min), window, Math.max);
  const ink = { ...light, data: light.data.map((value, i) => value - opened.data[i]) };
  const noise = median(ink.data);
  const floor = noise + 4 * median(ink.data.map((value) => Math.abs(value - noise)));
  const peak = ink.data.reduce((most, value) => Math.max(most, value), -Infinity);
  if (peak - floor < LEAST_CONTRAST) return null;
  const full = median(ink.data.filter((value) => value > (peak + floor) / 2));
  const share = ink.data.map((value) => Math.min(1, Math.max(0, (value - floor) / (full - floor))));
  return withoutSpecks({ ...ink, data: share });
}

/**
 * Inverts an image if needed so that ink is light on dark. The median of the border is taken as the background.
 * @param {Gray} gray @returns {Gray}
 */
function upright(gray) {
  const { width, height, data } = gray;
  const rim = [];
  for (let x = 0; x < width; x += 1) rim.push(data[x], data[(height - 1) * width + x]);
  for (let y = 0; y < height; y += 1) rim.push(data[y * width], data[y * width + width - 1]);
  let [low, high] = [Infinity, -Infinity];
  for (const value of data) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const isDark = median(Float64Array.from(rim)) > (low + high) / 2;
  return isDark ? { width, height, data: data.map((value) => 255 - value) } : gray;
}

/**
 * Returns the minimum or maximum in a square window around each pixel. Outside the image, the border pixels are
 * repeated.
 * @param {Gray} gray @param {number} window  odd @param {(a: number, b: number) => number} pick @returns {Gray}
 */
function filtered(gray, window, pick) {
  const { width, height } = gray;
  const down = blank(width, height);
  const across = blank(width, height);
  for (let x = 0; x < width; x += 1) filterLine(gray.data, down.data, x, width, height, window, pick);
  for (let y = 0; y < height; y += 1) filterLine(down.data, across.data, y * width, 1, width, window, pick);
  return across;
}

/**
 * Filters one row or column. It is split into blocks of the window's size, so that each window is the end of one block
 * and the beginning of the next.
 * @param {Float64Array} from @param {Float64Array} to @param {number} start @param {number} stride
 * @param {number} size @param {number} window @param {(a: number, b: number) => number} pick
 */
function filterLine(from, to, start, stride, size, window, pick) {
  const reach = window >> 1;
  const long = Math.ceil((size + 2 * reach) / window) * window;
  const at = (/** @type {number} */ i) => from[start + Math.min(size - 1, Math.max(0, i - reach)) * stride];
  const [left, right] = [new Float64Array(long), new Float64Array(long)];
  for (let i = 0; i < long; i += 1) left[i] = i % window ? pick(left[i - 1], at(i)) : at(i);
  for (let i = long - 1; i >= 0; i -= 1) right[i] = (i + 1) % window ? pick(right[i + 1], at(i)) : at(i);
  for (let i = 0; i < size; i += 1) to[start + i * stride] = pick(right[i], left[i + window - 1]);
}

/** Keeps the larger connected components, including their soft edges of up to two pixels. @param {Gray} ink @returns {Gray} */
function withoutSpecks(ink) {
  const components = connectedComponents(ink);
  const masses = components.map((component) => component.reduce((sum, i) => sum + ink.data[i], 0));
  const kept = blank(ink.width, ink.height);
  const least = SPECK_SHARE * Math.max(...masses);
  components.forEach((component, k) => {
    if (masses[k] >= least) for (const i of component) kept.data[i] = 1;
  });
  const near = filtered(kept, 5, Math.max);
  return { ...ink, data: ink.data.map((value, i) => value * near.data[i]) };
}

/** Returns the connected components (8 neighbors) of clear ink. @param {Gray} ink @returns {number[][]} */
function connectedComponents({ width, height, data }) {
  const visited = new Uint8Array(width * height);
  const result = [];
  for (let first = 0; first < data.length; first += 1) {
    if (visited[first] || data[first] <= CLEARLY_INK) continue;
    const component = [first];
    visited[first] = 1;
    for (const i of component) { // the component grows during the loop
      const [x, y] = [i % width, Math.floor(i / width)];
      for (let v = Math.max(0, y - 1); v <= Math.min(height - 1, y + 1); v += 1) {
        for (let u = Math.max(0, x - 1); u <= Math.min(width - 1, x + 1); u += 1) {
          const near = v * width + u;
          if (visited[near] || data[near] <= CLEARLY_INK) continue;
          visited[near] = 1;
          component.push(near);
        }
      }
    }
    result.push(component);
  }
  return result;
}

/** @param {Float64Array} values */
function median(values) {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
