/**
 * Types and keys shared by the views of one plane of an array: as cells, as fields or as pixels.
 *
 * @typedef {"chosen" | "from" | "won" | "reach"} Mark
 * chosen: the selected cell; from: one of its inputs; reach: within the window at the pointer; won: a maximum of pooling
 * @typedef {import("../style/scale.js").Scale} Scale
 * @typedef {{
 *   label: string, rows: number, columns: number, widest?: number, name: (row: number, column: number) => string,
 *   pick?: (row: number, column: number) => void, hover?: (row: number, column: number, inside: boolean) => void,
 * }} Options
 * @typedef {{
 *   element: HTMLElement,
 *   show(values: ArrayLike<number>, scale: Scale): void,
 *   mark(marks: Map<number, Mark>): void,
 * }} Plane
 */

/**
 * Returns the cell that an arrow key leads to from (row, column); null for other keys and at the border.
 * @param {string} key @param {number} row @param {number} column @param {number} rows @param {number} columns
 */
export function neighbor(key, row, column, rows, columns) {
  const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[key];
  if (!step) return null;
  const [i, j] = [row + step[0], column + step[1]];
  return i < 0 || j < 0 || i >= rows || j >= columns ? null : [i, j];
}
