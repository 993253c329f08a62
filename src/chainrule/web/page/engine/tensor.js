/**
 * Arrays: a shape, and the numbers row by row.
 *
 * @typedef {import("../types.js").NDArray} NDArray
 */

/** How many numbers a shape holds. @param {number[]} shape */
export function sizeOf(shape) {
  let size = 1;
  for (const length of shape) size *= length;
  return size;
}

/** An array of zeros in float64. @param {number[]} shape @returns {NDArray} */
export function zeros(shape) {
  return { shape, data: new Float64Array(sizeOf(shape)) };
}

/** An array of zeros that holds places. @param {number[]} shape @returns {NDArray} */
export function integers(shape) {
  return { shape, data: new Int32Array(sizeOf(shape)) };
}

/** The same numbers in another shape. @param {NDArray} array @param {number[]} shape @returns {NDArray} */
export function reshaped(array, shape) {
  return { shape, data: array.data };
}

/** Where a cell lies in the flat data: row-major. @param {number[]} index @param {number[]} shape */
export function ravel(index, shape) {
  let place = 0;
  for (let axis = 0; axis < shape.length; axis += 1) place = place * shape[axis] + index[axis];
  return place;
}

/** The index of a place in the flat data. @param {number} place @param {number[]} shape */
export function unravel(place, shape) {
  const index = new Array(shape.length);
  let rest = place;
  for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
    index[axis] = rest % shape[axis];
    rest = Math.floor(rest / shape[axis]);
  }
  return /** @type {number[]} */ (index);
}

/** A shape as people write it: 8×5×5. @param {number[]} shape */
export function text(shape) {
  return shape.join("×");
}

/** @param {number[]} one @param {number[]} other */
export function sameShape(one, other) {
  return one.length === other.length && one.every((length, axis) => length === other[axis]);
}

/**
 * Refuse arrays of different shapes.
 *
 * @param {string} operation @param {Record<string, NDArray>} arrays
 */
export function checkSame(operation, arrays) {
  const given = Object.entries(arrays);
  if (given.every(([, { shape }]) => sameShape(shape, given[0][1].shape))) return;
  const shown = given.map(([name, { shape }]) => `${name} ${text(shape)}`).join(", ");
  throw new Error(`${operation}: shapes differ: ${shown}`);
}

/**
 * Refuse an array with another number of axes than its letters say.
 *
 * @param {string} operation @param {string} name @param {NDArray} array @param {string} letters  "N, C, H, W"
 */
export function checkAxes(operation, name, array, letters) {
  if (array.shape.length !== letters.split(",").length) {
    throw new Error(`${operation}: ${name} is ${text(array.shape) || "a single number"}, expected (${letters})`);
  }
}

/**
 * Refuse an array of another shape.
 *
 * @param {string} operation @param {string} name @param {NDArray} array @param {number[]} shape
 */
export function checkShape(operation, name, array, shape) {
  if (!sameShape(array.shape, shape)) {
    throw new Error(`${operation}: ${name} is ${text(array.shape)}, expected ${text(shape)}`);
  }
}
