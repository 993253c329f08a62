/**
 * Contributions of the samples of a batch to the gradient of a parameter, as in chainrule/web/contributions.py.
 *
 * @typedef {import("../types.js").NDArray} NDArray
 * @typedef {import("../types.js").Operation} Operation
 * @typedef {import("../types.js").Plan} Plan
 * @typedef {import("./interpreter.js").Interpreter} Interpreter
 */

import { argumentsOf, gradientName, perSample } from "./interpreter.js";
import { operations } from "./operations.js";
import { sizeOf } from "./tensor.js";

/**
 * Returns the contributions of all samples of a batch to the gradients of some elements; their sum is the gradient.
 *
 * @param {import("./training.js").BatchWalk} walk @param {string} name  name of the parameter @param {number[]} indices  flat
 * @returns {number[][]}  for each element those of all samples
 */
export function contributions({ parts }, name, indices) {
  const samples = parts.reduce((sum, part) => sum + part.runtimeValues.batch, 0);
  const rows = parts.flatMap((part) => {
    const share = part.runtimeValues.batch / samples;
    return ofPart(part, name).map((gradient) => indices.map((index) => gradient[index] * share));
  });
  return indices.map((_, at) => rows.map((row) => row[at]));
}

/** Returns the gradient of each sample. @param {Interpreter} walk @param {string} name */
function ofPart(walk, name) {
  const gradient = gradientName(name);
  const list = operationsOf(walk.plan, gradient);
  return Array.from({ length: walk.runtimeValues.batch }, (_, n) => {
    const own = ofSample(walk, list, n).get(gradient);
    if (!own) throw new Error(`${name} has no gradient`);
    return own.data;
  });
}

/**
 * Returns the operations that compute a gradient from per-sample tensors, in order.
 *
 * @param {Plan} plan @param {string} gradient @returns {Operation[]}
 */
function operationsOf({ backward }, gradient) {
  const written = new Set(backward.flatMap(({ writes }) => writes.map(({ storage }) => storage)));
  const needed = new Set([gradient]);
  /** @type {Operation[]} */
  const selected = [];
  for (const operation of [...backward].reverse()) {
    if (!operation.writes.some((tensor) => !perSample(tensor) && needed.has(tensor.storage))) continue;
    selected.unshift(operation);
    for (const tensor of operation.reads) {
      if (tensor && !perSample(tensor) && written.has(tensor.storage)) needed.add(tensor.storage);
    }
  }
  return selected;
}

/** @param {Interpreter} walk @param {Operation[]} list @param {number} n @returns {Map<string, NDArray>} */
function ofSample(walk, list, n) {
  /** @type {Map<string, NDArray>} */
  const own = new Map();
  for (const operation of list) {
    const arrays = operation.reads.map((tensor) => {
      if (!tensor) return null;
      const kept = own.get(tensor.storage);
      if (kept) return { shape: tensor.shape, data: kept.data };
      const whole = walk.read(tensor);
      if (!perSample(tensor)) return whole;
      const size = sizeOf(tensor.shape);
      return { shape: [1, ...tensor.shape], data: whole.data.subarray(n * size, (n + 1) * size) };
    });
    const results = operations[operation.name](arrays, argumentsOf(operation, { ...walk.runtimeValues, first: n }));
    operation.writes.forEach((tensor, place) => {
      if (!perSample(tensor)) own.set(tensor.storage, results[place]);
    });
  }
  return own;
}
