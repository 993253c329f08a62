/** Placeholder until the explanations are here: reads names of cells as they are written. */

/** @param {import("../types.js").Trace} trace @param {string} cell */
export function canonical(trace, cell) {
  const [, tensor, index] = /^([^[\]]+)(?:\[([\d,\s]*)\])?$/.exec(cell) ?? [];
  const array = trace.values.get(tensor ?? "");
  if (!array) throw new Error("no such tensor");
  const at = index ? index.split(",").map(Number) : [];
  if (at.length !== array.shape.length || at.some((i, axis) => i >= array.shape[axis])) {
    throw new Error(`${tensor} is ${array.shape.join("×")}`);
  }
  return at.length ? `${tensor}[${at.join(",")}]` : tensor;
}
