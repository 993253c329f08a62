/**
 * The default upstream gradient: a pattern of small integers, different for neighboring cells.
 *
 * If all elements were 1, dw would consist of sums over windows and dx of sums of weights. A kernel rotated by mistake,
 * or a dy read in the wrong order, would have the same result. For a 2×2 output, the pattern is (1 −1; 2 3), as in the
 * derivation.
 *
 * @typedef {import("../../types.js").NDArray} NDArray
 */
import { array } from "./setting.js";

const PATTERN = [1, -1, 2, 3, -2, 4, -1, 2, 3, 1, -2, 4, -3];
const SHIFT = 5;

/**
 * @param {number[]} shape
 * @returns {NDArray}
 */
export function pattern(shape) {
  const dy = array(shape);
  for (let k = 0; k < dy.data.length; k++) {
    dy.data[k] = PATTERN[(k + SHIFT * Math.floor(k / PATTERN.length)) % PATTERN.length];
  }
  return dy;
}

/**
 * @param {number[]} shape
 * @returns {NDArray}
 */
export const ones = (shape) => ({ shape, data: array(shape).data.fill(1) });

/**
 * Returns 1 in the middle cell and 0 elsewhere. The gradients are then the derivatives of this one output.
 * @param {number[]} shape
 * @returns {NDArray}
 */
export function single(shape) {
  const [, H, W] = shape;
  const dy = array(shape);
  dy.data[Math.floor((H - 1) / 2) * W + Math.floor((W - 1) / 2)] = 1;
  return dy;
}
