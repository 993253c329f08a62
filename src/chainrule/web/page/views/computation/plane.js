import { createElement } from "../../elements.js";
import { mapCanvas } from "../../figures/map.js";
import { operandSide } from "./operand_size.js";

/**
 * A plane of values as pixels, since it is too large for numbers.
 *
 * @typedef {import("../../style/scale.js").Scale} Scale
 */

export class Plane {
  /**
   * @param {number} rows
   * @param {number} columns
   * @param {string} label
   * @param {{follow(cell: string): void}} context
   * @param {(row: number, column: number) => string | null} cellAt  null: no cell
   */
  constructor(rows, columns, label, context, cellAt) {
    this.rows = rows;
    this.columns = columns;
    this.zoom = Math.max(2, Math.min(40, Math.floor(operandSide() / Math.max(rows, columns))));
    const sharp = this.zoom * Math.min(3, Math.max(1, globalThis.devicePixelRatio || 1));
    this.element = createElement("canvas.computation-plane", {
      role: "img",
      "aria-label": `${label}: ${rows} by ${columns} values`,
      width: columns * sharp,
      height: rows * sharp,
      "--width": `${columns * this.zoom}px`,
      "--share": `${columns} / ${rows}`,
    });
    this.element.addEventListener("click", (event) => {
      const place = this.#placeOf(event);
      const cell = place && cellAt(...place);
      if (cell) context.follow(cell);
    });
    this.element.addEventListener("pointermove", (event) => {
      const place = this.#placeOf(event);
      this.element.title = (place && cellAt(...place)) ?? "";
    });
  }

  /** @param {(row: number, column: number) => number | null} valueAt null: no value @param {Scale} scale */
  fill(valueAt, scale) {
    const values = Array.from({ length: this.rows * this.columns }, (_, at) => valueAt(Math.floor(at / this.columns), at % this.columns));
    const picture = mapCanvas({ rows: this.rows, columns: this.columns, values }, scale, 1);
    const brush = this.element.getContext("2d");
    if (!brush) return;
    brush.imageSmoothingEnabled = false;
    brush.drawImage(picture, 0, 0, this.element.width, this.element.height);
  }

  /** Returns the row and column under the pointer. @param {MouseEvent} event @returns {[number, number] | null} */
  #placeOf(event) {
    const box = this.element.getBoundingClientRect();
    const row = Math.floor(((event.clientY - box.top) / box.height) * this.rows);
    const column = Math.floor(((event.clientX - box.left) / box.width) * this.columns);
    return row >= 0 && column >= 0 && row < this.rows && column < this.columns ? [row, column] : null;
  }
}
