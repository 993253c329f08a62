/** Images of the page as arrays of the lab, with the bytes 0 to 255 as values. */
/**
 * @typedef {import("../../types.js").NDArray} NDArray
 * @typedef {import("./setting.js").Setting} Setting
 */
import { CHANNELS, FARTHEST, LARGEST, array } from "./setting.js";

/**
 * @param {Uint8Array} bytes
 * @param {number[]} shape  (C, H, W) of the model's input
 * @returns {NDArray | null}  null: not an image, or too large for the lab
 */
export function pixelsOf(bytes, shape) {
  if (shape.length !== 3) return null;
  const [C, H, W] = shape;
  const fits = C <= CHANNELS && H <= FARTHEST && W <= FARTHEST && bytes.length === C * H * W;
  return fits ? array(shape, bytes) : null;
}

/** Returns the center of an image, small enough to be edited. @param {NDArray} x */
export function cropped(x) {
  const [C, H, W] = x.shape;
  const [rows, columns] = [Math.min(H, LARGEST), Math.min(W, LARGEST)];
  const [top, left] = [Math.floor((H - rows) / 2), Math.floor((W - columns) / 2)];
  const values = Array.from({ length: C * rows * columns }, (_, k) => {
    const [c, i, j] = [Math.floor(k / (rows * columns)), Math.floor(k / columns) % rows, k % columns];
    return x.data[(c * H + top + i) * W + left + j];
  });
  return array([C, rows, columns], values);
}

/**
 * Returns a setting with an image as its input. If the image has more channels, the kernels' last channel is repeated.
 * @param {Setting} now
 * @param {NDArray} x
 * @param {string} source
 * @returns {Setting}
 */
export function withPicture(now, x, source) {
  const [channels] = x.shape;
  const [filters, old, KH, KW] = now.w.shape;
  const size = KH * KW;
  const w = array([filters, channels, KH, KW]);
  for (let k = 0; k < w.data.length; k++) {
    const [o, c] = [Math.floor(k / (channels * size)), Math.floor(k / size) % channels];
    w.data[k] = now.w.data[(o * old + Math.min(c, old - 1)) * size + (k % size)];
  }
  return { ...now, x, w, source, dy: null, cell: null };
}
