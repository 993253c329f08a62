/**
 * Positions of the cells of a page of planes in pixels, and the mapping from pixels to cells.
 *
 * @typedef {import("./planes.js").Page} Page
 * @typedef {import("./planes.js").Plane} Plane
 * @typedef {{x: number, y: number, width: number, height: number}} Rect
 * @typedef {Plane & {x: number, y: number}} Tile
 */

export class Tiling {
  /**
   * @param {Page} page @param {number} gap
   * @param {number[]} size  width and height of one cell in pixels
   */
  constructor(page, gap, [cell, tall] = [page.cell, page.tall]) {
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
    if (!tile) return null;
    const [row, column] = [Math.floor((flat - tile.base) / tile.columns), (flat - tile.base) % tile.columns];
    return { x: tile.x + column * this.cell, y: tile.y + row * this.tall, width: this.cell, height: this.tall };
  }
}
