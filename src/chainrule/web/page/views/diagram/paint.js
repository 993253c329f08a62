/** Paints the cells of a tiling on a canvas. */

import { pack, packedTable } from "../../style/packed.js";
import { NOT_A_NUMBER } from "../../style/scale.js";

/** @typedef {import("./tiling.js").Tiling} Tiling */
/** @typedef {import("../../style/scale.js").Scale} Scale */
/** @typedef {Float64Array | Float32Array | Int32Array} Numbers */

const MIN_GRID = 6; // pixels per cell; smaller cells have no gaps between them
const LINE = 2; // pixels of the line of a curve

/**
 * @param {HTMLCanvasElement} canvas @param {Tiling} tiling  in pixels of the page
 * @param {Numbers} data @param {Scale} scale
 */
export function paint(canvas, tiling, data, scale) {
  const context = canvas.getContext("2d");
  const { width, height } = canvas;
  if (!context || !width || !height) return;
  const density = width / tiling.width;
  const image = context.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const colors = packedTable(scale.kind);
  const unknown = pack(NOT_A_NUMBER);
  const factor = scale.high > scale.low ? 255 / (scale.high - scale.low) : 0;
  const start = factor ? -scale.low * factor : scale.kind === "diverging" ? 127.5 : 0;
  const [side, tall] = [tiling.cell, tiling.tall].map((size) => Math.round(size * density));
  const filled = tiling.cell >= MIN_GRID ? side - 1 : side;
  const fill = (/** @type {number} */ color, /** @type {number} */ x, /** @type {number} */ from, /** @type {number} */ to) => {
    for (let row = from; row < to; row += 1) pixels.fill(color, row * width + x, row * width + x + filled);
  };
  for (const tile of tiling.tiles) {
    const [left, top] = [Math.round(tile.x * density), Math.round(tile.y * density)];
    const height = (/** @type {number} */ value) => top + Math.round((1 - Math.min(1, Math.max(0, (start + value * factor) / 255))) * (tall - LINE));
    for (let cell = 0; cell < tile.rows * tile.columns; cell += 1) {
      const value = data[tile.base + cell];
      const color = Number.isFinite(value) ? colors[Math.round(start + value * factor)] : unknown;
      const x = left + (cell % tile.columns) * side;
      const y = top + Math.floor(cell / tile.columns) * tall;
      if (tall === side) fill(color, x, y, y + filled);
      else drawn(fill, x, color, [height(value), height(0), height(data[tile.base + Math.max(0, cell - 1)])]);
    }
  }
  context.putImageData(image, 0, 0);
}

/**
 * Draws a value of a curve: the area between it and zero, and the line from the previous value.
 *
 * @param {(color: number, x: number, from: number, to: number) => void} fill @param {number} x @param {number} color
 * @param {number[]} heights  of the value, of zero and of the previous value
 */
function drawn(fill, x, color, [value, zero, previous]) {
  fill(color, x, Math.min(value, zero), Math.max(value, zero));
  fill(packedTable("sequential")[255], x, Math.min(value, previous), Math.max(value, previous) + LINE);
}
