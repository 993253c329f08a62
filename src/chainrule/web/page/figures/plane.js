/**
 * What the planes of numbers have in common, be they cells with text, fields or pixels: one plane of one array.
 *
 * @typedef {"chosen" | "from" | "won" | "reach"} Mark
 *   chosen: the cell that is explained; from: made from it; reach: under the pointer's window; won: a winner of pooling
 * @typedef {{kind: "sequential" | "diverging", low: number, high: number}} Scale
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
 * The scale of signed numbers: as far to either side as the largest of them.
 * @param {ArrayLike<number>} values
 * @returns {Scale}
 */
export function signed(values) {
  const most = largest(values);
  return { kind: "diverging", low: -most, high: most };
}

/** Grey to ink from the least to the most. @param {ArrayLike<number>} values @returns {Scale} */
export function grey(values) {
  let [low, high] = [Infinity, -Infinity];
  for (let k = 0; k < values.length; k++) [low, high] = [Math.min(low, values[k]), Math.max(high, values[k])];
  return { kind: "sequential", low, high };
}

/** @param {ArrayLike<number>} values */
function largest(values) {
  let most = 0;
  for (let k = 0; k < values.length; k++) most = Math.max(most, Math.abs(values[k]));
  return most;
}

/** Where a value lies on its scale: 0 … 1, or −1 … 1. @param {number} value @param {Scale} scale */
export function share(value, scale) {
  if (scale.kind === "diverging") return scale.high ? value / scale.high : 0;
  return scale.high > scale.low ? (value - scale.low) / (scale.high - scale.low) : 0;
}

/** The cell that an arrow key leads to from (row, column); null for other keys and at the rim. */
/** @param {string} key @param {number} row @param {number} column @param {number} rows @param {number} columns */
export function neighbour(key, row, column, rows, columns) {
  const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[key];
  if (!step) return null;
  const [i, j] = [row + step[0], column + step[1]];
  return i < 0 || j < 0 || i >= rows || j >= columns ? null : [i, j];
}
