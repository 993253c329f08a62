/** A picture of the page as numbers of the lab: bytes as they are, 0 to 255. */
import { CHANNELS, FARTHEST, array } from "./setting.js";

/**
 * @param {Uint8Array} bytes
 * @param {number[]} shape  (C, H, W) of the model's input
 * @returns {import("../../types.js").NDArray | null}  null: it is no picture, or too large for the lab
 */
export function pixelsOf(bytes, shape) {
  if (shape.length !== 3) return null;
  const [C, H, W] = shape;
  const fits = C <= CHANNELS && H <= FARTHEST && W <= FARTHEST && bytes.length === C * H * W;
  return fits ? array(shape, bytes) : null;
}
