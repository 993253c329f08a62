/**
 * Merging of branches: sums and products of two tensors, expansion of values, and concatenation.
 *
 * @typedef {import("../types.js").NDArray} NDArray
 */

import { sameShape, sizeOf, text, zeros } from "./tensor.js";

/** y[n,c,i,j] = a[n,c,i,j] + b[n,c,i,j] @param {NDArray} a @param {NDArray} b */
export function add(a, b) {
  return paired("add", a, b, (x, y) => x + y);
}

/** dx[n,c,i,j] = dy[n,c,i,j], the same for both terms @param {NDArray} dy */
export function add_dx(dy) {
  return dy;
}

/** y[n,c,i,j] = a[n,c,i,j] · b[n,c,i,j] @param {NDArray} a @param {NDArray} b */
export function multiply(a, b) {
  return paired("multiply", a, b, (x, y) => x * y);
}

/** y[n,c,i,j] = max(a[n,c,i,j], b[n,c,i,j]) @param {NDArray} a @param {NDArray} b */
export function maximum(a, b) {
  return paired("maximum", a, b, Math.max);
}

/**
 * dx[n,c,i,j] = dy[n,c,i,j] where x is larger, half of it where they are equal, else 0
 *
 * @param {NDArray} dy @param {NDArray} x @param {NDArray} other
 */
export function maximum_dx(dy, x, other) {
  const share = (/** @type {number} */ at) => (x.data[at] === other.data[at] ? 0.5 : Number(!(x.data[at] < other.data[at])));
  return { shape: dy.shape, data: dy.data.map((value, at) => value * share(at)) };
}

/** y[n,c,i,j] = min(a[n,c,i,j], b[n,c,i,j]) @param {NDArray} a @param {NDArray} b */
export function minimum(a, b) {
  return paired("minimum", a, b, Math.min);
}

/** y[n,c,i,j] = x[n,c] @param {NDArray} x  (N, C) @param {{size: number[]}} attributes */
export function expand_positions(x, { size }) {
  const y = zeros([...x.shape, ...size]);
  const cells = sizeOf(size);
  x.data.forEach((value, row) => y.data.fill(value, row * cells, (row + 1) * cells));
  return y;
}

/** dx[n,c] = Σ_{i,j} dy[n,c,i,j] @param {NDArray} dy  (N, C, H, W) */
export function expand_positions_dx(dy) {
  const dx = zeros(dy.shape.slice(0, 2));
  const cells = sizeOf(dy.shape.slice(2));
  dy.data.forEach((value, at) => {
    dx.data[Math.floor(at / cells)] += value;
  });
  return dx;
}

/** y[n,c,i,j] = x[n,i,j] @param {NDArray} x  (N, H, W) @param {{channels: number}} attributes */
export function expand_channels(x, { channels }) {
  const [N, ...size] = x.shape;
  const y = zeros([N, channels, ...size]);
  const cells = sizeOf(size);
  for (let row = 0; row < N * channels; row += 1) {
    const n = Math.floor(row / channels);
    y.data.set(x.data.subarray(n * cells, (n + 1) * cells), row * cells);
  }
  return y;
}

/** dx[n,i,j] = Σ_{c} dy[n,c,i,j] @param {NDArray} dy  (N, C, H, W) */
export function expand_channels_dx(dy) {
  const [N, C, ...size] = dy.shape;
  const dx = zeros([N, ...size]);
  const cells = sizeOf(size);
  for (let row = 0; row < N * C; row += 1) {
    const start = Math.floor(row / C) * cells;
    for (let p = 0; p < cells; p += 1) dx.data[start + p] += dy.data[row * cells + p];
  }
  return dx;
}

/**
 * Concatenates tensors along an axis of a sample: y[n,c,i,j] = x_k[n,c − o_k,i,j]
 *
 * @param {...any} inputs  the tensors (N, …), followed by {axis}
 */
export function concatenate(...inputs) {
  const { axis } = inputs.pop();
  /** @type {NDArray[]} */
  const parts = inputs;
  const [first] = parts;
  const whole = parts.reduce((sum, part) => sum + part.shape[axis + 1], 0);
  const y = zeros(first.shape.map((size, at) => (at === axis + 1 ? whole : size)));
  const outer = sizeOf(first.shape.slice(0, axis + 1));
  const inner = sizeOf(first.shape.slice(axis + 2));
  let offset = 0;
  for (const part of parts) {
    const length = part.shape[axis + 1] * inner;
    for (let row = 0; row < outer; row += 1) {
      y.data.set(part.data.subarray(row * length, (row + 1) * length), (row * whole + offset) * inner);
    }
    offset += part.shape[axis + 1];
  }
  return y;
}

/**
 * Computes each entry from those of two arrays of the same shape.
 *
 * @param {string} name @param {NDArray} a @param {NDArray} b @param {(x: number, y: number) => number} compute
 */
function paired(name, a, b, compute) {
  if (!sameShape(a.shape, b.shape)) {
    throw new Error(`${name}: the shapes ${text(a.shape)} and ${text(b.shape)} differ`);
  }
  return { shape: a.shape, data: a.data.map((value, at) => compute(value, b.data[at])) };
}
