/** Paints the cells of a tiling on a canvas. */

import { pack, packedTable } from "../../style/packed.js";
import { NOT_A_NUMBER, luminance } from "../../style/scale.js";

/** @typedef {import("./tiling.js").Tiling} Tiling */
/** @typedef {import("../../style/scale.js").Scale} Scale */
/** @typedef {Float64Array | Float32Array | Int32Array} Numbers */

const MIN_GRID = 6; // pixels per cell; smaller cells have no gaps between them
const LINE = 2; // pixels of the line of a curve
export const MIN_NUMBERS = 32; // pixels per cell; smaller cells contain no numbers
const EVEN = 0.19; // luminance with equal contrast to dark and light ink

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
  if (tiling.cell >= MIN_NUMBERS) write(context, tiling, data, scale, density);
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

/**
 * @param {CanvasRenderingContext2D} context @param {Tiling} tiling @param {Numbers} data @param {Scale} scale
 * @param {number} density
 */
function write(context, tiling, data, scale, density) {
  context.save();
  context.scale(density, density);
  context.font = `${tiling.cell >= 40 ? 10.5 : 9.5}px system-ui, sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  const colors = packedTable(scale.kind);
  const factor = scale.high > scale.low ? 255 / (scale.high - scale.low) : 0;
  const power = powerOf(scale);
  for (const tile of tiling.tiles) {
    for (let cell = 0; cell < tile.rows * tile.columns; cell += 1) {
      const value = data[tile.base + cell];
      const color = colors[Math.round((value - scale.low) * factor) || 0];
      context.fillStyle =
        luminance([color & 255, (color >> 8) & 255, (color >> 16) & 255]) > EVEN ? "#14161a" : "#ffffff";
      const x = tile.x + ((cell % tile.columns) + 0.5) * tiling.cell;
      context.fillText(inPower(value, power), x, tile.y + (Math.floor(cell / tile.columns) + 0.5) * tiling.tall);
    }
  }
  context.restore();
}

/**
 * Returns the power of ten by which values are divided before they are written in cells: 0 for 0.01 to 1000.
 * @param {Scale} scale
 */
export function powerOf(scale) {
  const most = Math.max(-scale.low, scale.high);
  const power = most > 0 && Number.isFinite(most) ? Math.floor(Math.log10(most)) : 0;
  return power < -1 || power > 2 ? power : 0;
}

/** Formats a value with few digits, for a small cell. @param {number} value @param {number} power */
function inPower(value, power) {
  const part = value / 10 ** power;
  return part
    .toFixed(Math.abs(part) < 10 ? 2 : 1)
    .replace("-", "−")
    .replace(/^−(0\.0+)$/, "$1");
}
