import { catalogueOf } from "../../explain/cells.js";
import { sumsFrom } from "../../explain/merging.js";
import { readersOf } from "../../explain/dependencies.js";
import { ravel } from "../../engine/tensor.js";
import { indicesOf, volume } from "../../explain/boxes.js";
import { layered, named, parted } from "../../explain/naming.js";

/**
 * The cells related to a cell: its gradient, its moments and update, and the cells computed from it.
 *
 * @typedef {import("../../types.js").Trace} Trace
 * @typedef {import("../../types.js").Box} Box
 * @typedef {{cell: string, words: string}} Relative
 * @typedef {{cell: string, tensor: string, many: number}} Way  cell: the cell with the largest magnitude among `many`
 *   cells of a tensor
 */

const MAX_SEARCHED = 20000; // cells

/** Labels of the optimizers' moments, by operation and name. @type {Record<string, Record<string, string>>} */
const KEPT = {
  adam_update: { m: "mean of gradients, m", v: "mean of squares, v" },
  momentum_update: { v: "velocity, v" },
  rmsprop_update: { v: "mean of squares, v", u: "velocity, u" },
};

/** Returns a cell and its related cells, in the order of a training step. @param {Trace} trace @param {string} cell
 * @returns {Relative[]} */
export function relatives(trace, cell) {
  const { tensor, index } = parted(cell);
  const { layer, rest } = layered(tensor);
  const prefix = layer ? `${layer}.` : "";
  const base = baseOf(rest);
  const { moments, operation } = trace.description.optimizer;
  const names =
    base === "y" || base === "x"
      ? [
          [base, "value"],
          [`d${base}`, "gradient"],
        ]
      : [
          [base, "before the step"],
          [`d${base}`, trace.batch ? "gradient of this image" : "gradient"],
          ...(trace.batch ? [[`${base}.g`, "gradient of the batch"]] : []),
          ...moments.map((name) => [`${base}.${name}`, KEPT[operation]?.[name] ?? name]),
          [`${base}.update`, "after the step"],
        ];
  if (/^d[^_]*_/u.test(rest)) names.push([rest, "part"]);
  return names.flatMap(([name, words]) => {
    const shape = trace.values.get(prefix + name)?.shape;
    return shape && shape.length === index.length ? [{ cell: named(prefix + name, index), words }] : [];
  });
}

/** Returns the name of the value itself: w for dw, w.g and w.update; y for dy_conv2. @param {string} rest */
export function baseOf(rest) {
  return rest.replace(/^d([^_]*)(?:_.*)?$/u, "$1").replace(/\.\w+$/u, "");
}

/** Returns the cells computed from a cell. @param {Trace} trace @param {string} cell @returns {Way[]} */
export function onward(trace, cell) {
  const phases = /** @type {const} */ (["forward", "backward", "update"]);
  const boxes = phases.flatMap((phase) => readersOf(trace, cell, phase));
  const catalogue = catalogueOf(trace);
  return ways(trace, boxes).filter((way) => way.cell !== cell && sumsFrom(catalogue, way.tensor).length === 1);
}

/** @param {Trace} trace @param {Box[]} boxes @returns {Way[]} */
function ways(trace, boxes) {
  /** @type {Map<string, Way>} */
  const unique = new Map();
  for (const box of boxes) {
    const way = largestOf(trace, box);
    if (way && !unique.has(`${way.tensor} ${way.cell}`)) unique.set(`${way.tensor} ${way.cell}`, way);
  }
  return [...unique.values()];
}

/** @param {Trace} trace @param {Box} box @returns {Way | null} */
function largestOf(trace, box) {
  const { tensor } = box;
  const array = trace.values.get(tensor);
  if (!array) return null;
  const many = volume(box);
  let best = box.from;
  let largest = -1;
  for (const index of indicesOf(box, MAX_SEARCHED)) {
    const size = Math.abs(array.data[ravel(index, array.shape)]);
    if (size > largest) [best, largest] = [index, size];
  }
  return many ? { cell: named(tensor, best), tensor, many } : null;
}
