/**
 * Operations that only move the elements of a sample: zero-padding, cropping, permutation of axes.
 *
 * @typedef {import("../types.js").NDArray} NDArray
 * @typedef {{before: number[], after: number[]}} Ends  numbers of entries at both ends of each axis
 */

import { sizeOf, zeros } from "./tensor.js";

/**
 * Surrounds every sample with zeros; the gradient is `crop` with the same attributes.
 *
 * y[n,m] = x[n, m − before] where x has that element, else 0
 *
 * @param {NDArray} x  (N, …) @param {Ends} ends
 */
export function pad(x, { before, after }) {
  const y = zeros(x.shape.map((size, axis) => (axis ? size + before[axis - 1] + after[axis - 1] : size)));
  const places = insidePlaces(x.shape, y.shape, before);
  for (let at = 0; at < places.length; at += 1) y.data[places[at]] = x.data[at];
  return y;
}

/**
 * Crops both ends of every axis of a sample; the gradient is `pad` with the same attributes.
 *
 * y[n,m] = x[n, m + before]
 *
 * @param {NDArray} x  (N, …) @param {Ends} ends
 */
export function crop(x, { before, after }) {
  const y = zeros(x.shape.map((size, axis) => (axis ? size - before[axis - 1] - after[axis - 1] : size)));
  const places = insidePlaces(y.shape, x.shape, before);
  for (let at = 0; at < places.length; at += 1) y.data[at] = x.data[places[at]];
  return y;
}

/**
 * Permutes the axes of every sample; the gradient is the same operation with the inverse permutation.
 *
 * y[n,m] = x[n,k] where k[axes[a]] = m[a] for every axis a
 *
 * @param {NDArray} x  (N, …) @param {{axes: number[]}} attributes  axis a of y is axis axes[a] of x
 */
export function permute(x, { axes }) {
  const y = zeros([x.shape[0], ...axes.map((axis) => x.shape[axis + 1])]);
  const order = [0, ...axes.map((axis) => axis + 1)];
  const steps = order.map((axis) => sizeOf(x.shape.slice(axis + 1)));
  for (let at = 0; at < y.data.length; at += 1) {
    let [rest, place] = [at, 0];
    for (let axis = order.length - 1; axis >= 0; axis -= 1) {
      place += (rest % y.shape[axis]) * steps[axis];
      rest = Math.floor(rest / y.shape[axis]);
    }
    y.data[at] = x.data[place];
  }
  return y;
}

/**
 * Returns the offsets of a box's entries within the surrounding array.
 *
 * @param {number[]} inside  shape of the box @param {number[]} outside  shape of the array @param {number[]} before
 */
function insidePlaces(inside, outside, before) {
  const places = new Int32Array(sizeOf(inside));
  for (let at = 0; at < places.length; at += 1) {
    let [rest, step] = [at, 1];
    for (let axis = inside.length - 1; axis >= 0; axis -= 1) {
      places[at] += ((rest % inside[axis]) + (axis ? before[axis - 1] : 0)) * step;
      rest = Math.floor(rest / inside[axis]);
      step *= outside[axis];
    }
  }
  return places;
}
