/** Paints the cells of a tiling into the pixels of a canvas. */

import { table } from "../../style/scale.js";
import { onTheme } from "../../theme.js";

/** @typedef {import("./tiling.js").Tiling} Tiling */
/** @typedef {{kind: "sequential" | "diverging", low: number, high: number}} Scale */
/** @typedef {Float64Array | Float32Array | Int32Array} Numbers */

const GRID_FROM = 6; // pixels of a cell from which cells stand apart
export const NUMBERS_FROM = 32; // pixels of a cell from which its number is written in it
const EVEN = 0.19; // the luminance at which dark and light ink contrast alike
const NOT_A_NUMBER = 0xff9900cc;

/** @type {Map<string, Uint32Array>} */
const palettes = new Map();
onTheme(() => palettes.clear());

/**
 * The scale of a whole tensor: zero is the ground of activations and the middle of signed numbers.
 * @param {Numbers} data @param {"sequential" | "diverging"} kind @returns {Scale}
 */
export function scaleOf(data, kind) {
  let [low, high] = [0, 0];
  for (const value of data) {
    if (value < low) low = value;
    else if (value > high) high = value;
  }
  if (kind === "sequential") return { kind, low, high };
  const most = Math.max(-low, high);
  return { kind, low: -most, high: most };
}

/** The colours of a scale, packed for ImageData. @param {"sequential" | "diverging"} kind */
export function palette(kind) {
  const kept = palettes.get(kind);
  if (kept) return kept;
  const colours = table(kind);
  const packed = Uint32Array.from({ length: 256 }, (_, i) =>
    ((255 << 24) | (colours[3 * i + 2] << 16) | (colours[3 * i + 1] << 8) | colours[3 * i]) >>> 0);
  palettes.set(kind, packed);
  return packed;
}

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
  const colours = palette(scale.kind);
  const factor = scale.high > scale.low ? 255 / (scale.high - scale.low) : 0;
  const start = factor ? -scale.low * factor : scale.kind === "diverging" ? 127.5 : 0;
  const side = Math.round(tiling.cell * density);
  const filled = tiling.cell >= GRID_FROM ? side - 1 : side;
  for (const tile of tiling.tiles) {
    const [left, top] = [Math.round(tile.x * density), Math.round(tile.y * density)];
    for (let cell = 0; cell < tile.rows * tile.columns; cell += 1) {
      const value = data[tile.base + cell];
      const colour = Number.isFinite(value) ? colours[Math.round(start + value * factor)] : NOT_A_NUMBER;
      const x = left + (cell % tile.columns) * side;
      const y = top + Math.floor(cell / tile.columns) * side;
      for (let row = y; row < y + filled; row += 1) pixels.fill(colour, row * width + x, row * width + x + filled);
    }
  }
  context.putImageData(image, 0, 0);
  if (tiling.cell >= NUMBERS_FROM) write(context, tiling, data, scale, density);
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
  const colours = palette(scale.kind);
  const factor = scale.high > scale.low ? 255 / (scale.high - scale.low) : 0;
  const power = powerOf(scale);
  for (const tile of tiling.tiles) {
    for (let cell = 0; cell < tile.rows * tile.columns; cell += 1) {
      const value = data[tile.base + cell];
      const colour = colours[Math.round((value - scale.low) * factor) || 0];
      context.fillStyle = luminance(colour) > EVEN ? "#14161a" : "#ffffff";
      const x = tile.x + ((cell % tile.columns) + 0.5) * tiling.cell;
      context.fillText(brief(value, power), x, tile.y + (Math.floor(cell / tile.columns) + 0.5) * tiling.cell);
    }
  }
  context.restore();
}

/**
 * The power of ten that the numbers of a scale are written in, where they are written small: 0 for 0.01 to 1000.
 * @param {Scale} scale
 */
export function powerOf(scale) {
  const most = Math.max(-scale.low, scale.high);
  const power = most > 0 && Number.isFinite(most) ? Math.floor(Math.log10(most)) : 0;
  return power < -1 || power > 2 ? power : 0;
}

/** A number in a few digits, for a small place. @param {number} value @param {number} power */
function brief(value, power) {
  const part = value / 10 ** power;
  return part.toFixed(Math.abs(part) < 10 ? 2 : 1).replace("-", "−").replace(/^−(0\.0+)$/, "$1");
}

/** The relative luminance of a packed colour, from 0 to 1 (WCAG). @param {number} colour */
function luminance(colour) {
  const [red, green, blue] = [colour & 255, (colour >> 8) & 255, (colour >> 16) & 255].map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
