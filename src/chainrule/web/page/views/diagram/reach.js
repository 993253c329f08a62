/**
 * The cells to highlight around a cell: those it was computed from, and those computed from it. A hidden tensor is
 * replaced by the nearest tensors that are shown.
 *
 * @typedef {import("../../types.js").Box} Box
 * @typedef {import("../../types.js").Phase} Phase
 * @typedef {import("../../types.js").Trace} Trace
 * @typedef {{from: Box[], to: Box[]}} Reach
 */

import { volume } from "../../explain/boxes.js";
import { readersOf, sourcesOf } from "../../explain/dependencies.js";
import { layered, named } from "../../explain/naming.js";

/** Tensors between two layers that are not shown: repeated values, partial sums, parts of gradients. */
const BETWEEN = /^(?:d?repeated\d+|d?y\d+|d[^_]*_.+)$/u;
const MAX_HOPS = 12; // maximum number of consecutive hidden tensors

/** @param {Trace} trace @param {string} cell @param {Phase} phase @returns {Reach} */
export function reach(trace, cell, phase) {
  try {
    return {
      from: around(cell, (source) => sourcesOf(trace, source)),
      to: around(cell, (reader) => readersOf(trace, reader, phase)),
    };
  } catch {
    return { from: [], to: [] };
  }
}

/** @param {string} cell @param {(cell: string) => Box[]} next @param {number} [hops] @returns {Box[]} */
function around(cell, next, hops = MAX_HOPS) {
  return next(cell).flatMap((box) => (hops && BETWEEN.test(layered(box.tensor).rest) ? beyond(box, next, hops - 1) : [box]));
}

/**
 * Returns the shown boxes beyond a hidden box: the hulls of the boxes reached from its first and from its last cell.
 * @param {Box} box @param {(cell: string) => Box[]} next @param {number} hops @returns {Box[]}
 */
function beyond(box, next, hops) {
  const first = around(named(box.tensor, box.from), next, hops);
  if (volume(box) === 1) return first;
  const last = around(
    named(
      box.tensor,
      box.to.map((end) => end - 1),
    ),
    next,
    hops,
  );
  return first.map((start, k) => (last[k]?.tensor === start.tensor ? hull(start, last[k]) : start));
}

/** Returns the smallest box that contains two boxes. @param {Box} a @param {Box} b @returns {Box} */
function hull(a, b) {
  const from = a.from.map((start, axis) => Math.min(start, b.from[axis]));
  return { tensor: a.tensor, from, to: a.to.map((end, axis) => Math.max(end, b.to[axis])) };
}
