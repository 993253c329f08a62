/**
 * Names of cells, taken apart and put together.
 *
 * @typedef {import("../../types.js").Trace} Trace
 * @typedef {{tensor: string, index: number[]}} Address
 */

/** @param {string} cell "conv2.dw[3,1,0,2]" @returns {Address} */
export function address(cell) {
  const open = cell.indexOf("[");
  if (open < 0) return { tensor: cell, index: [] };
  const inner = cell.slice(open + 1, -1);
  return { tensor: cell.slice(0, open), index: inner ? inner.split(",").map(Number) : [] };
}

/** @param {string} tensor @param {number[]} index */
export function cellName(tensor, index) {
  return index.length ? `${tensor}[${index.join(",")}]` : tensor;
}

/** @param {number[]} shape @param {number[]} index where in the row-major data */
export function offset(shape, index) {
  return shape.reduce((at, size, axis) => at * size + index[axis], 0);
}

/** @param {number[]} shape @param {number} at @returns {number[]} */
export function unravelled(shape, at) {
  const index = new Array(shape.length).fill(0);
  for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
    index[axis] = at % shape[axis];
    at = Math.floor(at / shape[axis]);
  }
  return index;
}

/** The number in a cell; null where the trace has none of that name. @param {Trace} trace @param {string} cell */
export function valueOf(trace, cell) {
  const { tensor, index } = address(cell);
  const array = trace.values.get(tensor);
  if (!array || array.shape.length !== index.length) return null;
  return array.data[offset(array.shape, index)] ?? null;
}

/** The layer of a tensor, and the rest of its name: "conv2.w.update" is w.update of conv2. @param {string} tensor */
export function split(tensor) {
  const dot = tensor.indexOf(".");
  return dot < 0 ? { layer: "", rest: tensor } : { layer: tensor.slice(0, dot), rest: tensor.slice(dot + 1) };
}

/** Which way numbers of this name flow. @param {string} cell @returns {import("../../types.js").Phase | null} */
export function phaseOf(cell) {
  const { rest } = split(address(cell).tensor);
  if (rest.endsWith(".update")) return "update";
  if (/\.(?:m|v)$/u.test(rest)) return "update";
  if (/^d/u.test(rest)) return "backward";
  return rest === "y" || rest === "winner" ? "forward" : null;
}
