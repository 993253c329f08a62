/**
 * A tensor as pages of planes of cells. A plane is a map, a kernel, or a vector in columns.
 *
 * @typedef {{base: number, rows: number, columns: number}} Plane
 * cell (r, c) is element base + r·columns + c of the tensor
 * @typedef {{wide: number, high: number, unit: number, cell: number, gap: number}} Room
 * wide, high: available pixels; unit, cell: pixels per cell of a plane and of a vector; gap: pixels between planes
 * @typedef {{
 *   planes: Plane[], across: number, page: number, pages: number, words: string, cell: number, tall: number,
 * }} Page  the planes shown, `across` per row; tall: height of a cell, which is more than its width for the curve of a series
 */

import { sizeOf } from "../../engine/tensor.js";

const SHORT = 16; // a bias with up to this number of values is shown in a row
const CURVE = [28, 64]; // pixels: smallest and largest height of the curve of a series

/** Planes by the rank of the tensor. */
export class Planes {
  /** @param {number[]} shape @param {Room} room @param {"maps" | "parameters"} role */
  constructor(shape, room, role) {
    this.inner = shape.length === 2 ? [shape[0], 1, shape[1]] : shape;
    const isVector = this.inner.length < 2;
    const size = this.inner[0] ?? 1;
    this.cell = isVector ? room.cell : room.unit;
    const asRow = isVector && role === "parameters" && size <= SHORT;
    const [rows, columns] = asRow ? [1, size] : isVector ? chunk(size, room) : this.inner.slice(-2);
    this.rows = rows;
    this.columns = columns;
    this.count = isVector ? Math.ceil(size / (this.rows * this.columns)) : sizeOf(this.inner.slice(0, -2));
    this.gap = isVector ? 1 : room.gap;
    const isSeries = role === "maps" && shape.at(-1) !== 1 && (shape.length === 2 || (shape.length === 3 && shape[1] === 1));
    this.tall = isSeries ? Math.max(CURVE[0], Math.min(CURVE[1], Math.floor(room.high / shape[0]) - this.gap)) : this.cell;
    const fit = (/** @type {number} */ space, /** @type {number} */ taken) => Math.max(1, Math.floor((space + this.gap) / (taken + this.gap)));
    const most = isVector ? 1 : Math.min(this.count, fit(room.high, this.rows * this.tall));
    this.across = Math.min(fit(room.wide, this.columns * this.cell), Math.ceil(this.count / most));
    this.down = Math.min(most, Math.ceil(this.count / this.across));
  }

  get pages() {
    return Math.ceil(this.count / (this.across * this.down));
  }

  /** Returns the page that contains an element of the tensor. @param {number} flat */
  pageOf(flat) {
    return Math.floor(Math.floor(flat / (this.rows * this.columns)) / (this.across * this.down));
  }

  /** @param {number} page @returns {Page} */
  page(page) {
    const first = page * this.across * this.down;
    const last = Math.min(this.count, first + this.across * this.down) - 1;
    const length = this.inner.length < 2 ? (this.inner[0] ?? 1) : Infinity;
    const size = this.rows * this.columns;
    const planes = Array.from({ length: last - first + 1 }, (_, at) => ({
      base: (first + at) * size,
      rows: Math.min(this.rows, Math.ceil((length - (first + at) * size) / this.columns)),
      columns: this.columns,
    }));
    const { pages, cell, tall, across } = this;
    return { planes, across, page, pages, words: `${this.#name(first)}–${this.#name(last)} in ${this.#name(this.count - 1)}`, cell, tall };
  }

  /** Returns the index of a plane: filter and channel of a kernel, or the channel of a map. @param {number} plane */
  #name(plane) {
    if (this.inner.length < 4) return String(plane);
    return `${Math.floor(plane / this.inner[1])},${plane % this.inner[1]}`;
  }
}

/** Splits a vector into columns: [cells per column, 1]. @param {number} size @param {Room} room */
function chunk(size, room) {
  const most = Math.max(1, Math.floor(room.high / room.cell));
  const columns = Math.ceil(size / most);
  return [Math.ceil(size / columns), 1];
}
