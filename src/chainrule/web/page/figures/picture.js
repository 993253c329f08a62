/** A canvas with an image given as bytes: one channel in shades of the theme's ink, three channels in color. */

import { createElement } from "../elements.js";
import { pack, packedTable } from "../style/packed.js";

/**
 * @param {Uint8Array} x @param {number[]} shape  of the input
 * @returns {HTMLCanvasElement}
 */
export function pictureCanvas(x, shape) {
  const [channels, height, width] = [...(shape.length < 3 ? [1] : []), ...(shape.length < 2 ? [1] : []), ...shape];
  const canvas = createElement("canvas", { width, height });
  const context = canvas.getContext("2d");
  if (!context) return canvas;
  const image = context.createImageData(width, height);
  const inks = packedTable("sequential");
  const pixels = new Uint32Array(image.data.buffer);
  const size = width * height;
  for (let i = 0; i < size; i += 1) {
    pixels[i] = channels === 3 ? pack([x[i], x[size + i], x[2 * size + i]]) : inks[x[i]];
  }
  context.putImageData(image, 0, 0);
  return canvas;
}
