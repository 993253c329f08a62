/**
 * Element-wise operations and their gradients, built from the formulas in a network's description.
 *
 * The formulas are defined in chainrule/operations, from which the other engines also generate their code.
 *
 * @typedef {import("../types.js").NDArray} NDArray
 * @typedef {import("../types.js").Formula} Formula
 * @typedef {Record<string, any>} Values  by letter
 * @typedef {(values: Values) => any} Compute
 */

import { normalDensity, normalDistribution } from "./normal.js";
import { checkSame, zeros } from "./tensor.js";

/** Functions and operators in formulas. @type {Record<string, (...operands: any[]) => any>} */
export const FUNCTIONS = {
  "+": (a, b) => a + b,
  "−": (a, b) => a - b,
  "·": (a, b) => a * b,
  "/": (a, b) => a / b,
  "≤": (a, b) => a <= b,
  "≥": (a, b) => a >= b,
  "<": (a, b) => a < b,
  ">": (a, b) => a > b,
  "^": (base, power) => (base === Math.E ? Math.exp(power) : base ** power),
  "√": Math.sqrt,
  and: (...tests) => tests.every(Boolean),
  abs: Math.abs,
  tanh: Math.tanh,
  arctan: Math.atan,
  log: Math.log,
  log1p: Math.log1p,
  expm1: Math.expm1,
  round: roundToEven,
  max: Math.max,
  min: Math.min,
  σ: logistic,
  Φ: normalDistribution,
  φ: normalDensity,
};

/**
 * Returns all element-wise operations by name, and their gradients by name with the suffix _dx.
 *
 * @param {Record<string, any>} entries  entries of all operations, from a network's description
 * @returns {Record<string, Function>}
 */
export function elementwise(entries) {
  const pairs = Object.entries(entries).filter(([, entry]) => entry.slope);
  return Object.fromEntries(
    pairs.flatMap(([name, entry]) => {
      const value = computation(entry.stable_value ?? entry.value, compiled);
      const gradient = computation(entry.stable_slope ?? entry.slope, product);
      return [
        [name, (/** @type {NDArray} */ x, options = {}) => mapped({ x }, options, value)],
        [
          `${name}_dx`,
          (/** @type {NDArray} */ dy, /** @type {NDArray} */ kept, options = {}) => {
            checkSame(`${name}_dx`, { dy, [entry.keeps]: kept });
            return mapped({ dy, [entry.keeps]: kept }, options, gradient);
          },
        ],
      ];
    }),
  );
}

/**
 * Returns a function that computes all formulas and returns the value of the last.
 *
 * @param {Formula[]} formulas @param {(tree: any) => Compute} last  converts a case of the last formula to a function
 * @returns {Compute}
 */
function computation(formulas, last) {
  const steps = formulas.map(({ name, cases = [] }, place) => {
    const make = place === formulas.length - 1 ? last : compiled;
    return { name, cases: cases.map(({ value, when }) => ({ value: make(value.tree), when: when && compiled(when.tree) })) };
  });
  return (values) => {
    let result;
    for (const { name, cases } of steps) {
      const holding = cases.find(({ when }) => !when || when(values));
      values[name] = result = holding?.value(values);
    }
    return result;
  };
}

/**
 * Returns a function for dy · f′ in one case of f′, simplified to 0 or dy if f′ is the constant 0 or 1.
 *
 * @param {any} tree @returns {Compute}
 */
function product(tree) {
  if (tree === 0) return () => 0;
  const slope = compiled(tree);
  return tree === 1 ? (values) => values.dy : (values) => values.dy * slope(values);
}

/** Converts a parsed expression or condition to a function. @param {any} tree @returns {Compute} */
function compiled(tree) {
  if (typeof tree === "string") return (values) => values[tree];
  if (!Array.isArray(tree)) return () => tree;
  const [name, ...operands] = tree;
  const [apply, [first, second, ...others]] = [FUNCTIONS[name], operands.map(compiled)];
  if (!second) return (values) => apply(first(values));
  if (!others.length) return (values) => apply(first(values), second(values));
  return (values) => apply(...[first, second, ...others].map((operand) => operand(values)));
}

/**
 * Applies a function element by element to arrays of the same shape.
 *
 * @param {Record<string, NDArray>} arrays  by letter @param {Values} options @param {Compute} compute
 */
function mapped(arrays, options, compute) {
  const [values, letters] = [{ ...options }, Object.entries(arrays)];
  const result = zeros(letters[0][1].shape);
  for (let e = 0; e < result.data.length; e += 1) {
    for (const [letter, { data }] of letters) values[letter] = data[e];
    result.data[e] = compute(values);
  }
  return result;
}

/** The nearest integer; of two equally near integers, the even one @param {number} a */
function roundToEven(a) {
  const nearest = Math.round(a);
  return Math.abs(nearest - a) === 0.5 && nearest % 2 ? nearest - 1 : nearest;
}

/** 1/(1 + e⁻ᵃ) = eᵃ/(1 + eᵃ), so that no power of e overflows @param {number} a */
function logistic(a) {
  return a <= 0 ? Math.exp(a) / (1 + Math.exp(a)) : 1 / (1 + Math.exp(-a));
}
