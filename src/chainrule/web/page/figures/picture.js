/** A canvas with an input: an image in shades of the theme's ink or in color, or the curves of a series. */

import { createElement } from "../elements.js";
import { pack, packedTable } from "../style/packed.js";

const [CURVE, WIDE] = [48, 128]; // pixels: height of a channel's curve, and smallest width of a series

/**
 * @param {Uint8Array | Float32Array} x  bytes, or floats, which are scaled to their range @param {number[]} shape  of the
 *   input: an image, a series (C, W) or a vector
 * @returns {HTMLCanvasElement}
 */
export function pictureCanvas(x, shape) {
  const bytes = x instanceof Uint8Array ? x : asBytes(x);
  if (shape.length === 2) return curvesCanvas(bytes, shape);
  const [channels, height, width] = [...(shape.length < 3 ? [1, 1] : []), ...shape];
  const canvas = createElement("canvas", { width, height });
  const context = canvas.getContext("2d");
  if (!context) return canvas;
  const image = context.createImageData(width, height);
  const inks = packedTable("sequential");
  const pixels = new Uint32Array(image.data.buffer);
  const size = width * height;
  for (let i = 0; i < size; i += 1) {
    pixels[i] = channels === 3 ? pack([bytes[i], bytes[size + i], bytes[2 * size + i]]) : inks[bytes[i]];
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** Scales values to 0 … 255. @param {Float32Array} values */
function asBytes(values) {
  const [low, high] = values.reduce(([least, most], value) => [Math.min(least, value), Math.max(most, value)], [Infinity, -Infinity]);
  return Uint8Array.from(values, (value) => ((value - low) / (high - low || 1)) * 255);
}

/** Draws a curve for each channel, one below the other. @param {Uint8Array} bytes @param {number[]} shape */
function curvesCanvas(bytes, [channels, length]) {
  const width = Math.max(WIDE, length);
  const canvas = createElement("canvas.curves", { width, height: channels * CURVE });
  const context = canvas.getContext("2d");
  if (!context) return canvas;
  const ink = packedTable("sequential")[255];
  context.strokeStyle = `rgb(${[ink & 255, (ink >> 8) & 255, (ink >> 16) & 255].join(" ")})`;
  context.lineWidth = 1.5;
  for (let channel = 0; channel < channels; channel += 1) {
    const curve = new Path2D();
    for (let at = 0; at < length; at += 1) {
      const height = (1 - bytes[channel * length + at] / 255) * (CURVE - 8);
      curve.lineTo((at + 0.5) * (width / length), channel * CURVE + 4 + height);
    }
    context.stroke(curve);
  }
  return canvas;
}
