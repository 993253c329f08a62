/**
 * The cells to light up around a cell: those it was computed from, and those computed from it, as far as they are shown.
 *
 * @typedef {import("../../types.js").Box} Box
 * @typedef {import("../../types.js").Phase} Phase
 * @typedef {import("../../types.js").Trace} Trace
 * @typedef {{from: Box[], to: Box[]}} Reach
 */

import { volume } from "../../explain/boxes.js";
import { readersOf, sourcesOf } from "../../explain/dependencies.js";
import { layered, named } from "../../explain/naming.js";

/** Tensors between two layers that no map shows: repeated values, sums of some inputs, parts of gradients. */
const BETWEEN = /^(?:d?repeated\d+|d?y\d+|d[^_]*_.+)$/u;
const MOST = 12; // such tensors in a row

/** @param {Trace} trace @param {string} cell @param {Phase} phase @returns {Reach} */
export function reach(trace, cell, phase) {
  try {
    return {
      from: around(cell, (one) => sourcesOf(trace, one)),
      to: around(cell, (one) => readersOf(trace, one, phase)),
    };
  } catch {
    return { from: [], to: [] };
  }
}

/** @param {string} cell @param {(cell: string) => Box[]} next @param {number} [most] @returns {Box[]} */
function around(cell, next, most = MOST) {
  return next(cell).flatMap((box) => (most && BETWEEN.test(layered(box.tensor).rest) ? beyond(box, next, most - 1) : [box]));
}

/**
 * Returns the boxes on the other side of a box: all around its first cell and its last, and what lies between them.
 * @param {Box} box @param {(cell: string) => Box[]} next @param {number} most @returns {Box[]}
 */
function beyond(box, next, most) {
  const first = around(named(box.tensor, box.from), next, most);
  if (volume(box) === 1) return first;
  const last = around(
    named(
      box.tensor,
      box.to.map((end) => end - 1),
    ),
    next,
    most,
  );
  return first.map((one, k) => (last[k]?.tensor === one.tensor ? hull(one, last[k]) : one));
}

/** @param {Box} one @param {Box} other @returns {Box} */
function hull(one, other) {
  const from = one.from.map((start, axis) => Math.min(start, other.from[axis]));
  return { tensor: one.tensor, from, to: one.to.map((end, axis) => Math.max(end, other.to[axis])) };
}
