/**
 * The change of a parameter in one step, split into the effects of earlier gradients, batch, weight decay and rounding.
 *
 * Some optimizers divide by a root that itself depends on the batch. With this divisor fixed, a step is linear in the
 * moments, the gradient and the parameter. Formulas: chainrule/operations/updates.toml.
 *
 * @typedef {import("../types.js").Trace} Trace
 * @typedef {{
 *   total: number, memory: number, batch: number, decay: number, rounding: number, perGradient: number, perMoment: number,
 * }} Change  total: the sum of the four parts; perGradient, perMoment: the change per unit of the batch's gradient, and
 *   of the moment of earlier gradients
 */

import { evaluateAll } from "./formulas.js";
import { decimalsThatAdd, formatNumber } from "./numbers.js";
import { stepOf } from "./updates.js";
import { fill } from "./words.js";

/**
 * Returns the parts of a parameter element's change, or null if the step is not a training step.
 *
 * @param {Trace} trace @param {string} parameter @param {number[]} index @returns {Change | null}
 */
export function changeOf(trace, parameter, index) {
  if (!trace.batch || !entryOf(trace).effects) return null;
  const { values, after } = evaluated(trace, parameter, index);
  const { p, dp, change, memory = 0, decay = 0, recall = 0 } = values;
  const [total, batch] = [after - p, change * dp];
  return { total, memory, batch, decay, rounding: total - memory - batch - decay, perGradient: change, perMoment: recall };
}

/** Returns the decimals with which the shares of the parts in percent add up to 100. @param {Change} change */
export function shareDecimals({ memory, batch, decay, total }) {
  return decimalsThatAdd(0, [[100, ...[memory, batch, decay].map((part) => (100 * part) / (total || 1))]]);
}

/**
 * Returns what the optimizer remembers, or what the factors of a gradient and of the memory contain, in words.
 *
 * @param {Trace} trace @param {string} parameter @param {number[]} index @param {"remembers" | "factor"} kind
 */
export function changeWords(trace, parameter, index, kind) {
  const { values, facts } = evaluated(trace, parameter, index);
  const texts = mapped({ ...facts, ...values }, (value) => (value && typeof value === "number" ? formatNumber(value) : value));
  return fill([...(trace.description.operations.update[kind] ?? []), ...(entryOf(trace)[kind] ?? [])], texts);
}

/** Evaluates the formulas of an element's update. @param {Trace} trace @param {string} parameter @param {number[]} index */
function evaluated(trace, parameter, index) {
  const { values, facts, after } = stepOf(trace, parameter, index);
  const { clip_factor: clip, update } = trace.description.operations;
  const entries = [clip, update, entryOf(trace)];
  const steps = entries.flatMap((entry) => entry.steps ?? []);
  const quantities = entries.flatMap((entry) => entry.quantities ?? []);
  const effects = entries.reverse().flatMap((entry) => entry.effects ?? []);
  return { values: evaluateAll([...steps, ...quantities, ...effects], values, facts), facts, after };
}

/** @param {Trace} trace */
function entryOf({ description }) {
  return description.operations[description.optimizer.operation];
}

/** @param {Record<string, any>} values @param {(value: any) => any} map */
function mapped(values, map) {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, map(value)]));
}
