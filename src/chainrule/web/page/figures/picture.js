/** An image in bytes on a canvas of its own size: one channel in the ink of the theme, three channels in colour. */

import { createElement } from "../elements.js";
import { table } from "../style/scale.js";

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
  const inks = table("sequential");
  const size = width * height;
  for (let i = 0; i < size; i += 1) {
    const grey = inks.subarray(3 * x[i], 3 * x[i] + 3);
    image.data.set([...(channels === 3 ? [x[i], x[size + i], x[2 * size + i]] : grey), 255], 4 * i);
  }
  context.putImageData(image, 0, 0);
  return canvas;
}
