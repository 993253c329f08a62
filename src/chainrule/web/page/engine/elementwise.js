/**
 * Element-wise operations and their gradients, made from the formulas that come with the description of a network.
 *
 * The formulas are in chainrule/operations; the other engines generate their code from the same ones.
 *
 * @typedef {import("../types.js").NDArray} NDArray
 * @typedef {import("../types.js").Formula} Formula
 * @typedef {Record<string, any>} Values  by letter
 * @typedef {(values: Values) => any} Compute
 */

import { normalDensity, normalDistribution } from "./normal.js";
import { checkSame, zeros } from "./tensor.js";

/** Functions and operators of formulas. @type {Record<string, (...operands: any[]) => any>} */
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
  max: Math.max,
  min: Math.min,
  σ: logistic,
  Φ: normalDistribution,
  φ: normalDensity,
};

/**
 * Returns each element-wise operation, and under its name with _dx its gradient.
 *
 * @param {Record<string, any>} entries  of all operations, from the description of a network
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
 * Returns the function of the last formula's value, through the steps before it.
 *
 * @param {Formula[]} formulas @param {(tree: any) => Compute} last  makes the function of a case of the last formula
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

/** Returns dy · f′ of a case of f′: 0 or dy where that is the constant 0 or 1. @param {any} tree @returns {Compute} */
function product(tree) {
  if (tree === 0) return () => 0;
  const slope = compiled(tree);
  return tree === 1 ? (values) => values.dy : (values) => values.dy * slope(values);
}

/** Returns the function of a parsed expression or condition. @param {any} tree @returns {Compute} */
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
 * Applies a function to the elements of arrays of one shape.
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

/** 1/(1 + e⁻ᵃ) = eᵃ/(1 + eᵃ), so that no power of e overflows @param {number} a */
function logistic(a) {
  return a <= 0 ? Math.exp(a) / (1 + Math.exp(a)) : 1 / (1 + Math.exp(-a));
}
