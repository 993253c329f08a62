/**
 * Arrays, which consist of a shape and the values in row-major order.
 *
 * @typedef {import("../types.js").NDArray} NDArray
 */

/** Returns the number of elements in an array of a given shape. @param {number[]} shape */
export function sizeOf(shape) {
  let size = 1;
  for (const length of shape) size *= length;
  return size;
}

/** Returns a float64 array of zeros, or of another value. @param {number[]} shape @returns {NDArray} */
export function zeros(shape, value = 0) {
  return { shape, data: new Float64Array(sizeOf(shape)).fill(value) };
}

/** Returns −x. @param {NDArray} x @returns {NDArray} */
export function negated({ shape, data }) {
  return { shape, data: Float64Array.from(data, (value) => -value) };
}

/** Converts an index to a row-major offset. @param {number[]} index @param {number[]} shape */
export function ravel(index, shape) {
  let place = 0;
  for (let axis = 0; axis < shape.length; axis += 1) place = place * shape[axis] + index[axis];
  return place;
}

/** Converts a row-major offset to an index. @param {number} place @param {number[]} shape */
export function unravel(place, shape) {
  const index = new Array(shape.length);
  let rest = place;
  for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
    index[axis] = rest % shape[axis];
    rest = Math.floor(rest / shape[axis]);
  }
  return /** @type {number[]} */ (index);
}

/** Returns all indices of a shape in row-major order. @param {number[]} shape */
export function indices(shape) {
  return Array.from({ length: sizeOf(shape) }, (_, place) => unravel(place, shape));
}

/** Returns the numbers of elements between neighbors along each axis. @param {number[]} shape */
export function strides(shape) {
  return shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
}

/** Returns the whole numbers from first (inclusive) to end (exclusive). @param {number} first @param {number} end */
export function range(first, end) {
  return Array.from({ length: Math.max(end - first, 0) }, (_, place) => first + place);
}

/** Returns lists of the elements at the same place of several lists. @param {any[][]} lists */
export function zip(...lists) {
  return lists[0].map((_, place) => lists.map((list) => list[place]));
}

/** Returns the index of the first NaN or, without NaN, of the first maximum. @param {ArrayLike<number>} values */
export function placeOfLargest(values) {
  let best = 0;
  for (let at = 1; at < values.length; at += 1) if (beats(values[at], values[best])) best = at;
  return best;
}

/** Returns whether a value replaces the current maximum: it is larger, or the first NaN. @param {number} value @param {number} best */
function beats(value, best) {
  return value > best || (Number.isNaN(value) && !Number.isNaN(best));
}

/** Returns the place of the value with the largest magnitude, the first of several. @param {ArrayLike<number>} values */
export function largestMagnitude(values) {
  let best = 0;
  for (let at = 1; at < values.length; at += 1) if (Math.abs(values[at]) > Math.abs(values[best])) best = at;
  return best;
}

/** Returns the places of values, those with the largest magnitude first. @param {ArrayLike<number>} values */
export function byMagnitude(values) {
  return Array.from(values, (_, at) => at).sort((a, b) => Math.abs(values[b]) - Math.abs(values[a]));
}

/** Formats a shape: 8×5×5. @param {number[]} shape */
export function text(shape) {
  return shape.join("×");
}

/** @param {number[]} a @param {number[]} b */
export function sameShape(a, b) {
  return a.length === b.length && a.every((length, axis) => length === b[axis]);
}
