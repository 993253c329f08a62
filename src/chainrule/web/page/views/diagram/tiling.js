/**
 * Positions of the cells of a page of planes in pixels, and the mapping from pixels to cells.
 *
 * @typedef {import("./planes.js").Page} Page
 * @typedef {import("./planes.js").Plane} Plane
 * @typedef {import("../../types.js").Box} Box
 * @typedef {{x: number, y: number, width: number, height: number}} Rect
 * @typedef {Plane & {x: number, y: number}} Tile
 */

import { unravel } from "../../engine/tensor.js";

export class Tiling {
  /**
   * @param {Page} page @param {number[]} shape  of the tensor @param {number} gap
   * @param {number[]} size  width and height of one cell in pixels
   */
  constructor(page, shape, gap, [cell, tall] = [page.cell, page.tall]) {
    this.shape = shape;
    this.cell = cell;
    this.tall = tall;
    const [first] = page.planes;
    const [width, height] = [first.columns * cell, first.rows * tall];
    this.tiles = page.planes.map((plane, i) => ({
      ...plane,
      x: (i % page.across) * (width + gap),
      y: Math.floor(i / page.across) * (height + gap),
    }));
    this.across = page.across;
    this.width = Math.max(...this.tiles.map((tile) => tile.x + width));
    this.height = Math.max(...this.tiles.map((tile) => tile.y + height));
  }

  /** Returns the element under a pixel; −1 if there is none. @param {number} x @param {number} y */
  at(x, y) {
    for (const tile of this.tiles) {
      const column = Math.floor((x - tile.x) / this.cell);
      const row = Math.floor((y - tile.y) / this.tall);
      if (column >= 0 && column < tile.columns && row >= 0 && row < tile.rows) {
        return tile.base + row * tile.columns + column;
      }
    }
    return -1;
  }

  /** Returns the tile that contains an element, or undefined. @param {number} flat */
  tileOf(flat) {
    return this.tiles.find((tile) => flat >= tile.base && flat < tile.base + tile.rows * tile.columns);
  }

  /** @param {number} flat @returns {Rect | null} */
  rect(flat) {
    const tile = this.tileOf(flat);
    return tile ? this.#part(tile, flat - tile.base, flat - tile.base + 1) : null;
  }

  /**
   * Returns rectangles that cover the cells of a box.
   * @param {Box} box @returns {Rect[]}
   */
  rects(box) {
    const rects = this.tiles.flatMap((tile) => this.#inTile(tile, box));
    const [first] = this.tiles;
    const isWhole = first.columns === 1 && rects.length > 1 && rects.length === this.tiles.length;
    return isWhole ? [{ x: 0, y: 0, width: this.width, height: this.height }] : rects;
  }

  /** @param {Tile} tile @param {Box} box @returns {Rect[]} */
  #inTile(tile, box) {
    const rank = this.shape.length;
    if (rank < 3) return this.#runs(tile, box);
    const plane = unravel(tile.base, this.shape).slice(0, rank - 2);
    if (plane.some((i, axis) => i < box.from[axis] || i >= box.to[axis])) return [];
    const [top, left] = box.from.slice(-2);
    const [bottom, right] = box.to.slice(-2);
    return bottom > top && right > left ? [this.#block(tile, top, left, bottom, right)] : [];
  }

  /** Returns the runs of consecutive elements of a vector or of a series. @param {Tile} tile @param {Box} box */
  #runs(tile, box) {
    const rank = this.shape.length;
    const inner = rank === 2 ? this.shape[1] : 0;
    const unit = inner ? Math.floor(tile.base / inner) : 0;
    if (inner && (unit < box.from[0] || unit >= box.to[0])) return [];
    const start = unit * inner - tile.base;
    const from = Math.max(0, start + (box.from[rank - 1] ?? 0));
    const to = Math.min(tile.rows * tile.columns, start + (box.to[rank - 1] ?? 1));
    if (to <= from) return [];
    const [top, bottom] = [Math.floor(from / tile.columns), Math.ceil(to / tile.columns)];
    return bottom - top === 1 ? [this.#part(tile, from, to)] : [this.#block(tile, top, 0, bottom, tile.columns)];
  }

  /** Returns a part of one row. @param {Tile} tile @param {number} from @param {number} to @returns {Rect} */
  #part(tile, from, to) {
    const row = Math.floor(from / tile.columns);
    const column = from % tile.columns;
    return this.#block(tile, row, column, row + 1, column + to - from);
  }

  /** @param {Tile} tile @param {number} top @param {number} left @param {number} bottom @param {number} right */
  #block(tile, top, left, bottom, right) {
    const { cell, tall } = this;
    return {
      x: tile.x + left * cell,
      y: tile.y + top * tall,
      width: (right - left) * cell,
      height: (bottom - top) * tall,
    };
  }
}
