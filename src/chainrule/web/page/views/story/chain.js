/**
 * The cells that the walk visits: those along one path of the chain rule, from the input to the loss and back to a weight.
 *
 * @typedef {import("../../types.js").Trace} Trace
 * @typedef {import("../../explain/paths.js").Path} Path
 */

import { primal } from "../../engine/interpreter.js";
import { largestMagnitude, unravel } from "../../engine/tensor.js";
import { named, parted, valueOf } from "../../explain/naming.js";

/**
 * Returns the chain: a cell for each tensor that the path crosses, and for its gradient.
 *
 * @param {Trace} trace @param {Path | null} path  to the gradient of the weight; null if there is none
 * @returns {Map<string, string>}  cell by tensor
 */
export function chainOf(trace, path) {
  /** @type {Map<string, string>} */
  const chain = new Map();
  const links = path?.links ?? [];
  for (const { cell } of links) {
    const { tensor, index } = parted(cell);
    chain.set(tensor, cell);
    const value = named(primal(tensor), index);
    if (valueOf(trace, value) !== null) chain.set(primal(tensor), value);
  }
  return chain;
}

/**
 * Returns the cell of a tensor on the chain, and remembers it. If the chain has none, it is the one at the position of the
 * last cell that was remembered for a tensor of this shape, unless it is 0, or the one with the largest magnitude. Returns
 * null if there is no such tensor.
 *
 * @param {Trace} trace @param {Map<string, string>} chain @param {string} tensor
 */
export function cellOn(trace, chain, tensor) {
  const { shape } = trace.values.get(tensor) ?? {};
  const beside = shape && [...chain.values()].reverse().find((cell) => isSameShape(trace.values.get(parted(cell).tensor)?.shape, shape));
  const own = beside && named(tensor, parted(beside).index);
  const cell = chain.get(tensor) ?? (own && valueOf(trace, own) ? own : largest(trace, tensor));
  if (cell === null) return null;
  chain.delete(tensor); // it becomes the last one
  chain.set(tensor, cell);
  return cell;
}

/** @param {number[] | undefined} a @param {number[]} b */
function isSameShape(a, b) {
  return a?.length === b.length && b.every((size, axis) => size === a[axis]);
}

/** Returns the cell with the largest magnitude; null if there is no such tensor. @param {Trace} trace @param {string} tensor */
function largest({ values }, tensor) {
  const array = values.get(tensor);
  if (!array) return null;
  return named(tensor, unravel(largestMagnitude(array.data), array.shape));
}
