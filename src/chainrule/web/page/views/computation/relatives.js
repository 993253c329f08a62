import { layered, named, parted } from "../../explain/naming.js";

/**
 * The cells related to a cell: its gradient, its moments and update.
 *
 * @typedef {import("../../types.js").Trace} Trace
 * @typedef {{cell: string, words: string}} Relative
 */

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
function baseOf(rest) {
  return rest.replace(/^d([^_]*)(?:_.*)?$/u, "$1").replace(/\.\w+$/u, "");
}
