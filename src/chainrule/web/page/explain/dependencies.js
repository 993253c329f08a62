/**
 * Boxes to highlight: the cells from which a cell was computed, and the cells that depend on it.
 *
 * @typedef {import("../types.js").Box} Box
 * @typedef {import("../types.js").Operation} Operation
 * @typedef {import("../types.js").Phase} Phase
 * @typedef {import("../types.js").Trace} Trace
 * @typedef {import("./cells.js").TensorCatalogue} TensorCatalogue
 * @typedef {import("./affected.js").Range} Range
 */

import { gradientName } from "../engine/interpreter.js";
import { ravel, sameShape, unravel } from "../engine/tensor.js";
import { bounds, volume } from "./boxes.js";
import { catalogueOf } from "./cells.js";
import { explain } from "./index.js";
import { sumsFrom } from "./merging.js";
import { parted } from "./naming.js";
import { affectedBox } from "./affected.js";

const MAX_SINGLE = 64; // cells shown one by one
/** Kinds of tensors that a phase computes. @type {Record<Phase, string[]>} */
const COMPUTED_IN = { forward: ["activation", "statistic"], backward: ["gradient"], update: ["update"] };

/**
 * Returns the cells from which a cell was computed: one box per tensor, or single cells if they are few and scattered.
 *
 * @param {Trace} trace @param {string} cell @returns {Box[]}
 */
export function sourcesOf(trace, cell) {
  /** @type {Map<string, number[][]>} */
  const byTensor = new Map();
  for (const source of explain(trace, cell).sources) {
    const { tensor, index } = parted(source);
    const cells = byTensor.get(tensor);
    if (cells) cells.push(index);
    else byTensor.set(tensor, [index]);
  }
  return [...byTensor].flatMap(([tensor, cells]) => boxed(tensor, cells));
}

/**
 * Returns the cells that depend on a cell: outputs of this phase's operations that read it.
 *
 * @param {Trace} trace @param {string} cell @param {Phase} phase @returns {Box[]}
 */
export function readersOf(trace, cell, phase) {
  const catalogue = catalogueOf(trace);
  const { tensor, index } = catalogue.read(cell);
  const boxes = phase === "update" ? updatedBy(catalogue, tensor, index) : [];
  for (const [written, { operation, place }] of catalogue.writers) {
    if (!COMPUTED_IN[phase].includes(catalogue.entry(written).kind)) continue;
    operation.reads.forEach((read, at) => {
      if (!read || read.storage !== tensor) return;
      const own = unravel(ravel(index, catalogue.entry(tensor).shape), read.shape);
      const winner = operation.name === "max_pool_dx" ? winnerOf(trace, operation, own) : 0;
      const ranges = affectedBox(operation, place, at, own, winner, trace.description.operations[operation.name]);
      if (!ranges) return;
      for (const name of sumsFrom(catalogue, written)) {
        boxes.push(inShape(name, ranges, operation.writes[place].shape, catalogue.entry(name).shape));
      }
    });
    boxes.push(...within(operation, place, written, tensor, index));
  }
  return [...boxes, ...joined(trace, tensor, index, phase)];
}

/**
 * The outputs that depend on statistics from the same operation: their channels.
 *
 * @param {Operation} operation @param {number} place @param {string} written @param {string} tensor
 * @param {number[]} index @returns {Box[]}
 */
function within({ name, writes }, place, written, tensor, index) {
  const statistic = writes.findIndex(({ storage }) => storage === tensor);
  if (!["batch_norm", "group_norm"].includes(name) || statistic < 1 || statistic === place) return [];
  const [size, ...rest] = writes[place].shape;
  const groupSize = size / writes[statistic].shape[0];
  return [{ tensor: written, from: [index[0] * groupSize, ...rest.map(() => 0)], to: [(index[0] + 1) * groupSize, ...rest] }];
}

/**
 * Returns the gradients that depend on a probability, in a plan that joins softmax with cross-entropy.
 *
 * @param {Trace} trace @param {string} tensor @param {number[]} index @param {Phase} phase @returns {Box[]}
 */
function joined({ description: { plan, layers } }, tensor, index, phase) {
  const isJoined = plan.backward.some(({ name }) => name === "softmax_cross_entropy_dp");
  if (phase !== "backward" || !isJoined || tensor !== `${layers[layers.length - 1].name}.y`) return [];
  return [single(gradientName(plan.output.storage), index)];
}

/**
 * Returns the updated value, which depends on a parameter, its gradient and its moments.
 *
 * @param {TensorCatalogue} catalogue @param {string} tensor @param {number[]} index
 */
function updatedBy(catalogue, tensor, index) {
  const updates = [...catalogue.entries.values()].filter((entry) => entry.kind === "update");
  const update = updates.find(({ name }) => {
    const parameter = name.slice(0, -".update".length);
    return tensor === parameter || tensor === gradientName(parameter) || tensor.startsWith(`${parameter}.`);
  });
  return update && update.name !== tensor && !catalogue.writers.has(update.name) ? [single(update.name, index)] : [];
}

/** @param {Trace} trace @param {Operation} operation @param {number[]} index */
function winnerOf(trace, operation, index) {
  const winner = operation.reads[1];
  const values = winner && trace.values.get(winner.storage);
  return values ? values.data[ravel(index, winner.shape)] : 0;
}

/** @param {string} tensor @param {number[][]} cells @returns {Box[]} */
function boxed(tensor, cells) {
  const box = { tensor, ...bounds(cells) };
  if (volume(box) === cells.length || cells.length > MAX_SINGLE) return [box];
  return cells.map((index) => single(tensor, index));
}

/** @param {string} tensor @param {number[]} index @returns {Box} */
function single(tensor, index) {
  return { tensor, from: index, to: index.map((here) => here + 1) };
}

/**
 * Converts a box from the operation's shape to the tensor's canonical shape. If the shapes differ, only a single cell
 * and the whole tensor can be converted exactly; any other box becomes the whole tensor.
 *
 * @param {string} tensor @param {Range[]} ranges @param {number[]} written @param {number[]} shape @returns {Box}
 */
function inShape(tensor, ranges, written, shape) {
  const [from, to] = [ranges.map(([first]) => first), ranges.map(([, last]) => last)];
  if (sameShape(written, shape)) return { tensor, from, to };
  const isSingleCell = ranges.every(([first, last]) => last === first + 1);
  if (isSingleCell) return single(tensor, unravel(ravel(from, written), shape));
  return { tensor, from: shape.map(() => 0), to: [...shape] };
}
