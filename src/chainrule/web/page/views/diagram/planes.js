/**
 * A tensor as pages of planes of cells. A plane is a map, a kernel, the weights of one unit in the shape of its input,
 * or a vector in columns.
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
  /**
   * @param {number[]} shape
   * @param {Room} room
   * @param {"maps" | "parameters"} role
   * @param {number[] | null} reads  for dense weights (units, inputs): the shape of the inputs as maps
   */
  constructor(shape, room, role, reads = null) {
    this.shape = shape;
    const byUnit = shape.length === 2 && role === "parameters";
    this.units = byUnit ? shape[0] : 1;
    this.inner = byUnit ? (reads ?? [shape[1]]) : shape.length === 2 ? [shape[0], 1, shape[1]] : shape;
    this.perUnit = sizeOf(this.inner);
    const isVector = this.inner.length < 2;
    const size = this.inner[0] ?? 1;
    this.cell = isVector ? room.cell : room.unit;
    const asRow = isVector && role === "parameters" && size <= SHORT && !byUnit;
    const [rows, columns] = asRow ? [1, size] : isVector ? chunk(size, room) : this.inner.slice(-2);
    this.rows = rows;
    this.columns = columns;
    this.count = isVector ? Math.ceil(size / (rows * columns)) : sizeOf(this.inner.slice(0, -2));
    const gap = isVector ? 1 : room.gap;
    this.gap = gap;
    const isSeries = role === "maps" && shape.at(-1) !== 1 && (shape.length === 2 || (shape.length === 3 && shape[1] === 1));
    this.tall = isSeries ? Math.max(CURVE[0], Math.min(CURVE[1], Math.floor(room.high / shape[0]) - gap)) : this.cell;
    const fitAcross = Math.max(1, Math.floor((room.wide + gap) / (columns * this.cell + gap)));
    const fitDown = Math.max(1, Math.floor((room.high + gap) / (rows * this.tall + gap)));
    this.isGrid = this.inner.length === 4 && this.inner[1] > 1; // a row per filter
    const [across, down] = this.#grid(fitAcross, fitDown);
    this.across = across;
    this.down = down;
  }

  /**
   * Returns how many planes are side by side, and how many are below each other.
   * @param {number} fitAcross @param {number} fitDown
   */
  #grid(fitAcross, fitDown) {
    if (this.isGrid) return [Math.min(this.inner[1], fitAcross), Math.min(this.inner[0], fitDown)];
    const most = this.inner.length < 2 ? 1 : Math.min(this.count, fitDown);
    const across = Math.min(fitAcross, Math.ceil(this.count / most));
    return [across, Math.min(most, Math.ceil(this.count / across))];
  }

  get pages() {
    return this.units * this.pagesPerUnit;
  }

  get pagesPerUnit() {
    return this.isGrid
      ? Math.ceil(this.inner[0] / this.down) * Math.ceil(this.inner[1] / this.across)
      : Math.ceil(this.count / (this.across * this.down));
  }

  /** Returns the page that contains an element of the tensor. @param {number} flat */
  pageOf(flat) {
    const unit = Math.floor(flat / this.perUnit);
    const plane = Math.floor((flat % this.perUnit) / (this.rows * this.columns));
    if (!this.isGrid) return unit * this.pagesPerUnit + Math.floor(plane / (this.across * this.down));
    const [o, c] = [Math.floor(plane / this.inner[1]), plane % this.inner[1]];
    return Math.floor(o / this.down) * Math.ceil(this.inner[1] / this.across) + Math.floor(c / this.across);
  }

  /** @param {number} page @returns {Page} */
  page(page) {
    const unit = Math.floor(page / this.pagesPerUnit);
    const within = page % this.pagesPerUnit;
    const ids = this.isGrid ? this.#gridIds(within) : this.#rowIds(within);
    const last = this.inner.length < 2 ? (this.inner[0] ?? 1) : Infinity;
    const size = this.rows * this.columns;
    const planes = ids.map((id) => ({
      base: unit * this.perUnit + id * size,
      rows: Math.min(this.rows, Math.ceil((last - id * size) / this.columns)),
      columns: this.columns,
    }));
    const { pages, cell, tall } = this;
    return { planes, across: this.#acrossOf(within), page, pages, words: this.#words(unit, ids), cell, tall };
  }

  /** @param {number} within */
  #rowIds(within) {
    const first = within * this.across * this.down;
    return range(first, Math.min(this.count, first + this.across * this.down));
  }

  /** @param {number} within */
  #gridIds(within) {
    const sides = Math.ceil(this.inner[1] / this.across);
    const [top, left] = [Math.floor(within / sides) * this.down, (within % sides) * this.across];
    const columns = range(left, Math.min(this.inner[1], left + this.across));
    const rows = range(top, Math.min(this.inner[0], top + this.down));
    return rows.flatMap((o) => columns.map((c) => o * this.inner[1] + c));
  }

  /** @param {number} within */
  #acrossOf(within) {
    if (!this.isGrid) return this.across;
    const sides = Math.ceil(this.inner[1] / this.across);
    return Math.min(this.across, this.inner[1] - (within % sides) * this.across);
  }

  /** Describes the content of a page by its indices. @param {number} unit @param {number[]} ids */
  #words(unit, ids) {
    const [first, last] = [ids[0], ids[ids.length - 1]];
    const span = (/** @type {number} */ a, /** @type {number} */ b) => (a === b ? `${a}` : `${a}–${b}`);
    if (this.units > 1) return `unit ${unit} in 0–${this.units - 1}`;
    if (this.isGrid) {
      const C = this.inner[1];
      const channels = span(first % C, last % C);
      const filters = `filter ${span(Math.floor(first / C), Math.floor(last / C))}`;
      return this.across < C ? `${filters}, channel ${channels}` : `${filters} in 0–${this.inner[0] - 1}`;
    }
    return `${span(first, last)} in 0–${this.count - 1}`;
  }
}

/** Splits a vector into columns: [cells per column, 1]. @param {number} size @param {Room} room */
function chunk(size, room) {
  const most = Math.max(1, Math.floor(room.high / room.cell));
  const columns = Math.ceil(size / most);
  return [Math.ceil(size / columns), 1];
}

/** @param {number} from @param {number} to */
function range(from, to) {
  return Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
}
