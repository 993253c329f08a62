/** A canvas with one map of values, one pixel per value. */

import { createElement } from "../elements.js";
import { colorOf } from "../style/scale.js";

/**
 * @param {{rows: number, columns: number, values: ArrayLike<number | null>}} map  null: not painted
 * @param {import("../style/scale.js").Scale} scale @param {number} side  pixels of the longer side
 */
export function mapCanvas({ rows, columns, values }, scale, side) {
  const canvas = createElement("canvas.map", { width: columns, height: rows, "aria-hidden": "true" });
  const image = new ImageData(columns, rows);
  for (let at = 0; at < values.length; at += 1) {
    const value = values[at];
    if (value !== null) image.data.set([...colorOf(value, scale), 255], 4 * at);
  }
  canvas.getContext("2d")?.putImageData(image, 0, 0);
  const pixel = side / Math.max(rows, columns);
  canvas.style.width = `${pixel * columns}px`;
  canvas.style.height = `${pixel * rows}px`;
  return canvas;
}
