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

/** Returns a float64 array of zeros. @param {number[]} shape @returns {NDArray} */
export function zeros(shape) {
  return { shape, data: new Float64Array(sizeOf(shape)) };
}

/** Returns an int32 array of zeros, for indices. @param {number[]} shape @returns {NDArray} */
export function integers(shape) {
  return { shape, data: new Int32Array(sizeOf(shape)) };
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

/**
 * Throws unless all arrays have the same shape.
 *
 * @param {string} operation @param {Record<string, NDArray>} arrays
 */
export function checkSame(operation, arrays) {
  const entries = Object.entries(arrays);
  if (entries.every(([, { shape }]) => sameShape(shape, entries[0][1].shape))) return;
  const shown = entries.map(([name, { shape }]) => `${name} ${text(shape)}`).join(", ");
  throw new Error(`${operation}: shapes differ: ${shown}`);
}

/**
 * Throws unless an array has the axes `letters`.
 *
 * @param {string} operation @param {string} name @param {NDArray} array @param {string} letters  "N, C, H, W"
 */
export function checkAxes(operation, name, array, letters) {
  if (array.shape.length !== letters.split(",").length) {
    throw new Error(`${operation}: ${name} is ${text(array.shape) || "a single number"}, expected (${letters})`);
  }
}

/**
 * Throws unless an array has a class axis after the sample axis.
 *
 * @param {string} operation @param {string} name @param {NDArray} array
 */
export function checkRows(operation, name, array) {
  if (array.shape.length < 2) {
    const actual = text(array.shape) || "a single number";
    throw new Error(`${operation}: ${name} is ${actual}, expected (N, K) or (N, K, …)`);
  }
}

/**
 * Throws unless an array has the expected shape.
 *
 * @param {string} operation @param {string} name @param {NDArray} array @param {number[]} shape
 */
export function checkShape(operation, name, array, shape) {
  if (!sameShape(array.shape, shape)) {
    throw new Error(`${operation}: ${name} is ${text(array.shape)}, expected ${text(shape)}`);
  }
}

/**
 * Throws unless x is (N, C, H, W) or (N, C) and the other arrays have one value per channel.
 *
 * @param {string} operation @param {NDArray} x @param {Record<string, NDArray>} channelwise
 * @param {number} [count]  of their values, if not one per channel
 */
export function checkChannels(operation, x, channelwise, count = x.shape[1]) {
  if (x.shape.length !== 2 && x.shape.length !== 4) {
    throw new Error(`${operation}: x is ${text(x.shape)}, expected (N, C, H, W) or (N, C)`);
  }
  for (const [name, array] of Object.entries(channelwise)) checkShape(operation, name, array, [count]);
}

/**
 * Visits all entries of an array (N, C, …), with the channel and the plane of each.
 *
 * @param {number[]} shape @param {(e: number, c: number, plane: number) => void} visit
 */
export function eachCell([N, C, ...size], visit) {
  const cells = sizeOf(size);
  for (let plane = 0, e = 0; plane < N * C; plane += 1) {
    const c = plane % C;
    for (let ij = 0; ij < cells; ij += 1, e += 1) visit(e, c, plane);
  }
}
