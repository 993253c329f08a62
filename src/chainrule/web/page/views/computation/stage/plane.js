import { createElement } from "../../../elements.js";
import { ink } from "../../../style/ink.js";
import { mapCanvas } from "../../../figures/map.js";
import { operandSide } from "./operand_size.js";

/**
 * A plane of values as pixels, since it is too large for numbers, with a frame around some cells and a mark on one.
 *
 * @typedef {import("../../../style/scale.js").Scale} Scale
 * @typedef {{top: number, left: number, rows: number, columns: number}} Frame
 */

export class Plane {
  /**
   * @param {number} rows
   * @param {number} columns
   * @param {string} label
   * @param {{follow(cell: string): void, hover(cell: string | null): void}} context
   * @param {(row: number, column: number) => string | null} cellAt  null: no cell
   * @param {number} [side] of the longer side, in pixels
   */
  constructor(rows, columns, label, context, cellAt, side = operandSide()) {
    this.rows = rows;
    this.columns = columns;
    this.zoom = Math.max(2, Math.min(40, Math.floor(side / Math.max(rows, columns))));
    this.picture = createElement("canvas");
    const sharp = this.zoom * Math.min(3, Math.max(1, globalThis.devicePixelRatio || 1));
    this.element = createElement("canvas.computation-plane", {
      role: "img",
      "aria-label": `${label}: ${rows} by ${columns} values`,
      width: columns * sharp,
      height: rows * sharp,
      "--width": `${columns * this.zoom}px`,
      "--share": `${columns} / ${rows}`,
    });
    /** @type {Frame | null} */
    this.frame = null;
    this.veil = 0.6; // opacity of the cover outside the frame
    this.row = -1;
    this.column = -1;
    this.element.addEventListener("click", (event) => {
      const place = this.#placeOf(event);
      const cell = place && cellAt(...place);
      if (cell) context.follow(cell);
    });
    this.element.addEventListener("pointermove", (event) => {
      const place = this.#placeOf(event);
      if (place) context.hover(cellAt(...place));
    });
    this.element.addEventListener("pointerleave", () => context.hover(null));
  }

  /** @param {(row: number, column: number) => number | null} valueAt null: no value @param {Scale} scale */
  fill(valueAt, scale) {
    const values = Array.from({ length: this.rows * this.columns }, (_, at) => valueAt(Math.floor(at / this.columns), at % this.columns));
    this.picture = mapCanvas({ rows: this.rows, columns: this.columns, values }, scale, 1);
    this.draw();
  }

  /** @param {number} row −1: none @param {number} column */
  mark(row, column) {
    if (row === this.row && column === this.column) return;
    this.row = row;
    this.column = column;
    this.draw();
  }

  draw() {
    const brush = this.element.getContext("2d");
    if (!brush) return;
    const { width, height } = this.element;
    const side = width / this.columns;
    brush.clearRect(0, 0, width, height);
    brush.imageSmoothingEnabled = false;
    brush.drawImage(this.picture, 0, 0, width, height);
    if (this.frame) this.#framed(brush, side, this.frame);
    if (this.row >= 0) outline(brush, [this.column * side, this.row * side, side, side], Math.max(2, side / 7));
  }

  /** @param {CanvasRenderingContext2D} brush @param {number} side @param {Frame} frame */
  #framed(brush, side, frame) {
    const box = /** @type {[number, number, number, number]} */ (
      [frame.left, frame.top, frame.columns, frame.rows].map((part) => part * side)
    );
    brush.save();
    brush.beginPath();
    brush.rect(0, 0, this.element.width, this.element.height);
    brush.rect(...box);
    brush.clip("evenodd");
    brush.globalAlpha = this.veil;
    brush.fillStyle = ink("--paper");
    brush.fillRect(0, 0, this.element.width, this.element.height);
    brush.restore();
    outline(brush, box, 2);
  }

  /** Returns the row and column under the pointer. @param {MouseEvent} event @returns {[number, number] | null} */
  #placeOf(event) {
    const box = this.element.getBoundingClientRect();
    const row = Math.floor(((event.clientY - box.top) / box.height) * this.rows);
    const column = Math.floor(((event.clientX - box.left) / box.width) * this.columns);
    return row >= 0 && column >= 0 && row < this.rows && column < this.columns ? [row, column] : null;
  }
}

/** @param {CanvasRenderingContext2D} brush @param {[number, number, number, number]} box
 * @param {number} wide */
function outline(brush, [left, top, width, height], wide) {
  brush.lineWidth = wide + 2;
  brush.strokeStyle = ink("--paper");
  brush.strokeRect(left, top, width, height);
  brush.lineWidth = wide;
  brush.strokeStyle = ink("--accent");
  brush.strokeRect(left, top, width, height);
}
