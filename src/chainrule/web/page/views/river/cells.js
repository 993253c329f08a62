/** Names of cells and places in the array: conv2.dw[3,1,0,2] ↔ number 652 of conv2.dw. */

/** @param {number[]} shape */
export function strides(shape) {
  /** @type {number[]} */
  const result = new Array(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis -= 1) result[axis] = result[axis + 1] * shape[axis + 1];
  return result;
}

/** @param {string} tensor @param {number[]} shape @param {number} flat */
export function cellName(tensor, shape, flat) {
  if (!shape.length) return tensor;
  let rest = flat;
  const index = strides(shape).map((stride) => {
    const i = Math.floor(rest / stride);
    rest -= i * stride;
    return i;
  });
  return `${tensor}[${index.join(",")}]`;
}

/**
 * The tensor of a name, and the place in its array; null when there is no such cell.
 * @param {import("../../types.js").Trace} trace @param {string} cell
 */
export function placeOf(trace, cell) {
  const bracket = cell.indexOf("[");
  const tensor = bracket < 0 ? cell : cell.slice(0, bracket);
  const shape = trace.values.get(tensor)?.shape;
  if (!shape) return null;
  const index = bracket < 0 ? [] : cell.slice(bracket + 1, -1).split(",").map(Number);
  if (index.length !== shape.length) return null;
  const by = strides(shape);
  return { tensor, shape, flat: index.reduce((flat, i, axis) => flat + i * by[axis], 0) };
}
