/**
 * The activations and their gradients, element by element (softmax: row by row).
 *
 * Backward keeps y where the derivative is simplest in y, else x.
 *
 * @typedef {import("../types.js").NDArray} NDArray
 */

import { normalDensity, normalDistribution } from "./normal.js";
import { checkRows, checkSame, zeros } from "./tensor.js";

export const GELU_SCALE = Math.sqrt(2 / Math.PI);
export const GELU_CUBIC = 0.044715;

/** y = σ(x) = 1/(1 + e⁻ˣ) = eˣ/(1 + eˣ), so that no power of e overflows. @param {NDArray} x */
export function sigmoid(x) {
  return each(x, logistic);
}

/** dx = dy · y(1 − y) @param {NDArray} dy @param {NDArray} y */
export function sigmoid_dx(dy, y) {
  return both("sigmoid_dx", dy, y, "y", (d, b) => d * b * (1 - b));
}

/** y = tanh(x) @param {NDArray} x */
export function tanh(x) {
  return each(x, Math.tanh);
}

/** dx = dy · (1 − y²) @param {NDArray} dy @param {NDArray} y */
export function tanh_dx(dy, y) {
  return both("tanh_dx", dy, y, "y", (d, b) => d * (1 - b * b));
}

/** y = arctan(x) @param {NDArray} x */
export function arctan(x) {
  return each(x, Math.atan);
}

/** dx = dy / (1 + x²) @param {NDArray} dy @param {NDArray} x */
export function arctan_dx(dy, x) {
  return both("arctan_dx", dy, x, "x", (d, a) => d / (1 + a * a));
}

/** y = max(0, x); NaN propagates. @param {NDArray} x */
export function relu(x) {
  return each(x, (a) => (a <= 0 ? 0 : a));
}

/** dx = dy where y > 0, else 0: the derivative at 0 is 0 @param {NDArray} dy @param {NDArray} y */
export function relu_dx(dy, y) {
  return both("relu_dx", dy, y, "y", (d, b) => (b <= 0 ? 0 : d));
}

/** y = x where x > 0, else slope · x; NaN propagates. @param {NDArray} x @param {{slope?: number}} options */
export function leaky_relu(x, { slope = 0.01 }) {
  return each(x, (a) => (a <= 0 ? slope * a : a));
}

/** dx = dy where x > 0, else slope · dy @param {NDArray} dy @param {NDArray} x @param {{slope?: number}} options */
export function leaky_relu_dx(dy, x, { slope = 0.01 }) {
  return both("leaky_relu_dx", dy, x, "x", (d, a) => (a <= 0 ? slope * d : d));
}

/** y = ½ x (1 + tanh a)        a = √(2/π) (x + 0.044715 x³) @param {NDArray} x */
export function gelu(x) {
  return each(x, (a) => 0.5 * a * (1 + Math.tanh(GELU_SCALE * (a + GELU_CUBIC * a * a * a))));
}

/**
 * dx = dy · (½ (1 + tanh a) + ½ x (1 − tanh² a) a')        a' = √(2/π) (1 + 3 · 0.044715 x²)
 *
 * @param {NDArray} dy @param {NDArray} x
 */
export function gelu_dx(dy, x) {
  return both("gelu_dx", dy, x, "x", (d, a) => d * geluSlope(a));
}

/** Returns the derivative of GELU at x. @param {number} x */
export function geluSlope(x) {
  const t = Math.tanh(GELU_SCALE * (x + GELU_CUBIC * x * x * x));
  const da = GELU_SCALE * (1 + 3 * GELU_CUBIC * x * x);
  return 0.5 * (1 + t) + (Math.abs(t) === 1 ? 0 : 0.5 * x * (1 - t * t) * da); // 0, also where da is infinite
}

/** y = x Φ(x) @param {NDArray} x */
export function exact_gelu(x) {
  return each(x, (a) => a * normalDistribution(a));
}

/** dx = dy · (Φ(x) + x φ(x)) @param {NDArray} dy @param {NDArray} x */
export function exact_gelu_dx(dy, x) {
  return both("exact_gelu_dx", dy, x, "x", (d, a) => d * (normalDistribution(a) + a * normalDensity(a)));
}

/** y = min(max(x, low), high); NaN propagates. @param {NDArray} x @param {{low: number, high: number}} options */
export function clip(x, { low, high }) {
  return each(x, (a) => (a <= low ? low : a >= high ? high : a));
}

/**
 * dx = dy where low < x < high, else 0: the derivative at both bounds is 0
 *
 * @param {NDArray} dy @param {NDArray} x @param {{low: number, high: number}} options
 */
export function clip_dx(dy, x, { low, high }) {
  return both("clip_dx", dy, x, "x", (d, a) => (a <= low || a >= high ? 0 : d));
}

/** y = x s        s = 1/(1 + e⁻ˣ) @param {NDArray} x */
export function silu(x) {
  return each(x, (a) => a * logistic(a));
}

/** dx = dy · s (1 + x (1 − s))        s = 1/(1 + e⁻ˣ) @param {NDArray} dy @param {NDArray} x */
export function silu_dx(dy, x) {
  return both("silu_dx", dy, x, "x", (d, a) => d * (logistic(a) * (1 + a * (1 - logistic(a)))));
}

/** y = min(max(x + 3, 0), 6) / 6; NaN propagates. @param {NDArray} x */
export function hard_sigmoid(x) {
  return each(x, (a) => (a <= -3 ? 0 : a >= 3 ? 1 : (a + 3) / 6));
}

/** dx = dy / 6 where −3 < x < 3, else 0: the derivative at −3 and 3 is 0 @param {NDArray} dy @param {NDArray} x */
export function hard_sigmoid_dx(dy, x) {
  return both("hard_sigmoid_dx", dy, x, "x", (d, a) => (a <= -3 || a >= 3 ? 0 : d / 6));
}

/** y = x · min(max(x + 3, 0), 6) / 6; NaN propagates. @param {NDArray} x */
export function hard_swish(x) {
  return each(x, (a) => (a <= -3 ? 0 : a >= 3 ? a : (a * (a + 3)) / 6));
}

/**
 * dx = dy · (2 x + 3) / 6 where −3 < x < 3, else dy where x ≥ 3, else 0: the derivative at −3 is 0, at 3 it is 1
 *
 * @param {NDArray} dy @param {NDArray} x
 */
export function hard_swish_dx(dy, x) {
  return both("hard_swish_dx", dy, x, "x", (d, a) => (a <= -3 ? 0 : a >= 3 ? d : d * ((2 * a + 3) / 6)));
}

/** y = x where x > 0, else alpha · (eˣ − 1); NaN propagates. @param {NDArray} x @param {{alpha?: number}} options */
export function elu(x, { alpha = 1 }) {
  return each(x, (a) => (a > 0 ? a : alpha * Math.expm1(a)));
}

/**
 * dx = dy where x > 0, else dy · alpha eˣ: the derivative at 0 is alpha
 *
 * @param {NDArray} dy @param {NDArray} x @param {{alpha?: number}} options
 */
export function elu_dx(dy, x, { alpha = 1 }) {
  return both("elu_dx", dy, x, "x", (d, a) => (a > 0 ? d : d * (alpha * Math.exp(a))));
}

/** y = log(1 + eˣ) = x + log(1 + e⁻ˣ), so that no power of e overflows. @param {NDArray} x */
export function softplus(x) {
  return each(x, (a) => Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a))));
}

/** dx = dy · s        s = 1/(1 + e⁻ˣ) @param {NDArray} dy @param {NDArray} x */
export function softplus_dx(dy, x) {
  return both("softplus_dx", dy, x, "x", (d, a) => d * logistic(a));
}

/**
 * y[n,k] = e^(x[n,k] − m) / Σ_l e^(x[n,l] − m)        m = max_l x[n,l]: it cancels, and no power of e overflows
 *
 * @param {NDArray} x  (N, K) or (N, K, …): at every position
 */
export function softmax(x) {
  const y = zeros(x.shape);
  for (const row of rows("softmax", "x", x)) {
    const m = Math.max(...row.map((at) => x.data[at]));
    let total = 0;
    for (const at of row) total += Math.exp(x.data[at] - m);
    for (const at of row) y.data[at] = Math.exp(x.data[at] - m) / total;
  }
  return y;
}

/**
 * dx[n,k] = Σ_l dy[n,l] · y[n,l] (δ_kl − y[n,k]) = y[n,k] · (dy[n,k] − Σ_l dy[n,l] y[n,l])
 *
 * @param {NDArray} dy  (N, K) or (N, K, …) @param {NDArray} y
 */
export function softmax_dx(dy, y) {
  const indices = rows("softmax_dx", "dy", dy);
  checkSame("softmax_dx", { dy, y });
  const dx = zeros(dy.shape);
  for (const row of indices) {
    let total = 0;
    for (const at of row) total += dy.data[at] * y.data[at];
    for (const at of row) dx.data[at] = y.data[at] * (dy.data[at] - total);
  }
  return dx;
}

/**
 * Returns the flat indices of the entries along the second axis, for every sample and position.
 *
 * @param {string} operation @param {string} name @param {NDArray} array @returns {number[][]}
 */
function rows(operation, name, array) {
  checkRows(operation, name, array);
  const [N, K] = array.shape;
  const positions = N * K ? array.data.length / (N * K) : 0;
  return Array.from({ length: N * positions }, (_, at) => {
    const first = Math.floor(at / positions) * K * positions + (at % positions);
    return Array.from({ length: K }, (_, k) => first + k * positions);
  });
}

/** σ(a) @param {number} a */
function logistic(a) {
  return a <= 0 ? Math.exp(a) / (1 + Math.exp(a)) : 1 / (1 + Math.exp(-a));
}

/** Applies a function to every element. @param {NDArray} x @param {(a: number) => number} f */
function each(x, f) {
  const y = zeros(x.shape);
  for (let e = 0; e < y.data.length; e += 1) y.data[e] = f(x.data[e]);
  return y;
}

/**
 * Applies a function to the elements of dy and of the array kept by forward.
 *
 * @param {string} operation @param {NDArray} dy @param {NDArray} kept @param {string} name  of the kept array
 * @param {(d: number, a: number) => number} f
 */
function both(operation, dy, kept, name, f) {
  checkSame(operation, { dy, [name]: kept });
  const dx = zeros(dy.shape);
  for (let e = 0; e < dx.data.length; e += 1) dx.data[e] = f(dy.data[e], kept.data[e]);
  return dx;
}
