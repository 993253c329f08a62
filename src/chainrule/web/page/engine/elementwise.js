/**
 * The activations that treat every element alone, and their gradients.
 *
 * @typedef {import("../types.js").NDArray} NDArray
 * @typedef {[value: (a: number) => number, gradient: (d: number, kept: number) => number, kept?: "y"]} Activation
 *   gradient: of an upstream gradient d and what forward keeps for it: y where the derivative is simplest in y, else x
 */

import { normalDensity, normalDistribution } from "./normal.js";
import { checkSame, zeros } from "./tensor.js";

const GELU_SCALE = Math.sqrt(2 / Math.PI);
const GELU_CUBIC = 0.044715;

/** For the options of each activation, its two functions. NaN passes all of them. @type {Record<string, (options: any) => Activation>} */
const ACTIVATIONS = {
  // y = 1/(1 + e⁻ˣ),  dx = dy · y(1 − y)
  sigmoid: () => [logistic, (d, y) => d * y * (1 - y), "y"],
  // y = tanh(x),  dx = dy · (1 − y²)
  tanh: () => [Math.tanh, (d, y) => d * (1 - y * y), "y"],
  // y = arctan(x),  dx = dy / (1 + x²)
  arctan: () => [Math.atan, (d, x) => d / (1 + x * x)],
  // y = max(0, x),  dx = dy where y > 0, else 0: the derivative at 0 is 0
  relu: () => [(x) => (x <= 0 ? 0 : x), (d, y) => (y <= 0 ? 0 : d), "y"],
  // y = x where x > 0, else slope · x,  dx = dy where x > 0, else slope · dy
  leaky_relu: ({ slope = 0.01 }) => [(x) => (x <= 0 ? slope * x : x), (d, x) => (x <= 0 ? slope * d : d)],
  // y = ½ x (1 + tanh a),  a = √(2/π) (x + 0.044715 x³)
  gelu: () => [(x) => 0.5 * x * (1 + Math.tanh(GELU_SCALE * (x + GELU_CUBIC * x * x * x))), (d, x) => d * geluSlope(x)],
  // y = x Φ(x),  dx = dy · (Φ(x) + x φ(x))
  exact_gelu: () => [(x) => x * normalDistribution(x), (d, x) => d * (normalDistribution(x) + x * normalDensity(x))],
  // y = min(max(x, low), high),  dx = dy where low < x < high, else 0: the derivative at both bounds is 0
  clip: ({ low, high }) => [(x) => (x <= low ? low : x >= high ? high : x), (d, x) => (x <= low || x >= high ? 0 : d)],
  // y = x s,  dx = dy · s (1 + x (1 − s)),  s = 1/(1 + e⁻ˣ)
  silu: () => [(x) => x * logistic(x), (d, x) => d * (logistic(x) * (1 + x * (1 - logistic(x))))],
  // y = min(max(x + 3, 0), 6) / 6,  dx = dy / 6 where −3 < x < 3, else 0: the derivative at −3 and 3 is 0
  hard_sigmoid: () => [(x) => (x <= -3 ? 0 : x >= 3 ? 1 : (x + 3) / 6), (d, x) => (x <= -3 || x >= 3 ? 0 : d / 6)],
  // y = x · min(max(x + 3, 0), 6) / 6,  dx = dy · (2 x + 3) / 6 where −3 < x < 3: the derivative at −3 is 0, at 3 it is 1
  hard_swish: () => [
    (x) => (x <= -3 ? 0 : x >= 3 ? x : (x * (x + 3)) / 6),
    (d, x) => (x <= -3 ? 0 : x >= 3 ? d : d * ((2 * x + 3) / 6)),
  ],
  // y = x where x > 0, else alpha · (eˣ − 1),  dx = dy where x > 0, else dy · alpha eˣ: the derivative at 0 is alpha
  elu: ({ alpha = 1 }) => [(x) => (x > 0 ? x : alpha * Math.expm1(x)), (d, x) => (x > 0 ? d : d * (alpha * Math.exp(x)))],
  // y = log(1 + eˣ) = x + log(1 + e⁻ˣ), so that no power of e overflows,  dx = dy / (1 + e⁻ˣ)
  softplus: () => [(x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))), (d, x) => d * logistic(x)],
};

/** Each activation, and under its name with _dx its gradient. @type {Record<string, Function>} */
export const ELEMENTWISE = Object.fromEntries(
  Object.entries(ACTIVATIONS).flatMap(([name, functions]) => {
    const value = (/** @type {NDArray} */ x, options = {}) => each(x, functions(options)[0]);
    const gradient = (/** @type {NDArray} */ dy, /** @type {NDArray} */ kept, options = {}) => {
      const [, f, letter = "x"] = functions(options);
      return both(`${name}_dx`, dy, kept, letter, f);
    };
    return [[name, value], [`${name}_dx`, gradient]];
  }),
);

/** ½ (1 + tanh a) + ½ x (1 − tanh² a) a',  a' = √(2/π) (1 + 3 · 0.044715 x²) @param {number} x */
function geluSlope(x) {
  const t = Math.tanh(GELU_SCALE * (x + GELU_CUBIC * x * x * x));
  const da = GELU_SCALE * (1 + 3 * GELU_CUBIC * x * x);
  return 0.5 * (1 + t) + (Math.abs(t) === 1 ? 0 : 0.5 * x * (1 - t * t) * da); // 0, also where da is infinite
}

/** 1/(1 + e⁻ᵃ) = eᵃ/(1 + eᵃ), so that no power of e overflows @param {number} a */
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
