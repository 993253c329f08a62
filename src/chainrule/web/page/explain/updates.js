/**
 * Explanations of the optimizers' updates. Formulas: chainrule/operations/updates.toml. Loops: engine/reference.js.
 *
 * The Python version: chainrule/explain/updates.py.
 *
 * @typedef {import("../types.js").Formula} Formula
 * @typedef {import("../types.js").Trace} Trace
 * @typedef {import("./details.js").Details} Details
 * @typedef {import("./notation.js").Index} Index
 * @typedef {import("./formulas.js").Values} Values
 */

import { gradientName } from "../engine/interpreter.js";
import { ravel } from "../engine/tensor.js";
import { clippingOf } from "../engine/trace.js";
import { chain, inLetters } from "./formulas.js";
import { named } from "./naming.js";
import { at, letters } from "./notation.js";
import { DIGITS, formatNumber } from "./numbers.js";
import { fill, holds } from "./words.js";

/**
 * Explains one element of an updated parameter.
 *
 * @param {Trace} trace @param {string} tensor @param {number[]} index @param {number} [digits] @returns {Details}
 */
export function update(trace, tensor, index, digits = DIGITS) {
  const { operations, optimizer } = trace.description;
  const parameter = tensor.slice(0, -".update".length);
  const { cells, values, facts, after } = stepOf(trace, parameter, index, digits);
  const [clip, shared, entry] = [operations.clip_factor, operations.update, operations[optimizer.operation]];
  const letter = parameter.slice(parameter.lastIndexOf(".") + 1);
  const names = { p: letter, "p′": `${letter}′`, dp: `d${letter}` };
  const formulas = [clip, shared, entry].flatMap((part) => part.steps ?? []);
  const [exact] = chain(formulas, { ...values }, facts, { ...names }).slice(-1);
  const rounding = trace.batch ? after - exact.value : undefined;
  const steps = chain(formulas, values, facts, names, { digits, last: after, others: [values.p] });
  const [rule] = (entry.rule ?? []).filter((formula) => holds(formula, facts));
  const [symbols, here] = [letters(index.length), index].map((/** @type {Index[]} */ own) => {
    return `${at(`${letter}′`, ...own)} = ${inLetters(rule, { ...names, p: at(letter, ...own) })}`;
  });
  const words = fill([shared, clip, entry].flatMap((part) => part.words), facts);
  return { words, symbols, here, steps, rounding, sources: Object.values(cells).map((name) => named(name, index)) };
}

/**
 * Returns what the update of an element reads: the names of the cells, the values by letter, and the facts.
 *
 * @param {Trace} trace @param {string} parameter @param {number[]} index @param {number} [digits]
 */
export function stepOf(trace, parameter, index, digits = DIGITS) {
  const moments = trace.description.optimizer.moments.map((name) => [name, `${parameter}.${name}`]);
  const gradient = trace.batch ? `${parameter}.g` : gradientName(parameter);
  const cells = { p: parameter, dp: gradient, ...Object.fromEntries(moments) };
  const after = numberAt(trace, `${parameter}.update`, index);
  /** @type {Values} */
  const values = constants(trace, parameter);
  for (const [name, cell] of Object.entries(cells)) values[name] = numberAt(trace, cell, index);
  values["Δ"] = values.p - after;
  return { cells, values, after, facts: factsOf(trace, parameter, values, after, digits) };
}

/**
 * Returns the step's attributes by name: for a frozen parameter, a rate and a decay of 0.
 *
 * @param {Trace} trace @param {string} parameter @returns {Record<string, any>}
 */
function attributesOf({ description, frame }, parameter) {
  const attributes = { ...description.optimizer.attributes, rate: frame.rate, step: frame.step + 1 };
  if (!description.step.frozen.includes(parameter)) return attributes;
  return { ...attributes, rate: 0, ...("decay" in attributes && { decay: 0 }) };
}

/** Returns the step's constants by letter. @param {Trace} trace @param {string} parameter @returns {Values} */
function constants(trace, parameter) {
  const { operations, recipe } = trace.description;
  const options = attributesOf(trace, parameter);
  const attributes = Object.entries(operations.update.letters ?? {}).map(([letter, name]) => [letter, options[name]]);
  return { ...Object.fromEntries(attributes), limit: recipe.clip_norm ?? 0, "‖g‖": clippingOf(trace).norm };
}

/**
 * Returns the facts that sentences and steps use.
 *
 * @param {Trace} trace @param {string} parameter @param {Values} values @param {number} after @param {number} digits
 */
function factsOf(trace, parameter, { p, dp: gradient }, after, digits) {
  const change = after - p;
  return {
    ...attributesOf(trace, parameter),
    clipped: clippingOf(trace).scale !== 1,
    limit: formatNumber(trace.description.recipe.clip_norm ?? 0, digits),
    remembers: trace.description.optimizer.moments.length > 0,
    still: change === 0,
    falls: change < 0,
    by: formatNumber(Math.abs(change), digits),
    flat: gradient === 0,
    uphill: gradient > 0,
    follows: gradient !== 0 && gradient > 0 === change < 0,
    gradient: formatNumber(gradient, digits),
  };
}

/** @param {Trace} trace @param {string} name @param {number[]} index */
function numberAt(trace, name, index) {
  const array = trace.values.get(name);
  if (!array) throw new Error(`this trace has no ${name}`);
  return array.data[ravel(index, array.shape)];
}
