import { ravel } from "../../../engine/tensor.js";
import { named, parted } from "../../../explain/naming.js";
import { scaleOfTensor } from "../../../figures/cell_colors.js";
import { createElement } from "../../../elements.js";
import { NumberGrid } from "./grid.js";
import { Plane } from "./plane.js";
import { staticStage } from "./stage.js";

/**
 * The position of a value in its tensor: the image, the kernel or the row of weights that contains it.
 *
 * @typedef {import("./stage.js").PanelContext} PanelContext
 * @typedef {import("./stage.js").Stage} Stage
 */

const MAX_DIGITS = 7; // maximum number of rows and columns that are shown as numbers
const MAX_ROW = 40; // values of a vector per row

/** @param {PanelContext} context @returns {Stage | null} */
export function placeStage(context) {
  const { tensor, index } = parted(context.explanation.cell);
  const array = context.trace.values.get(tensor);
  if (!array || !index.length) return null;
  const flat = index.length < 2 || array.shape.length === 2;
  const last = array.shape[array.shape.length - 1];
  const columns = flat ? Math.min(last, MAX_ROW) : last;
  const rows = flat ? Math.ceil(last / columns) : array.shape[array.shape.length - 2];
  const before = index.slice(0, flat ? -1 : -2);
  const indexAt = (/** @type {number} */ row, /** @type {number} */ column) => {
    const place = row * columns + column;
    if (flat && place >= last) return null;
    return [...before, ...(flat ? [place] : [row, column])];
  };
  const cellAt = (/** @type {number} */ row, /** @type {number} */ column) => {
    const cellIndex = indexAt(row, column);
    return cellIndex && named(tensor, cellIndex);
  };
  const valueAt = (/** @type {number} */ row, /** @type {number} */ column) => {
    const cellIndex = indexAt(row, column);
    return cellIndex && array.data[ravel(cellIndex, array.shape)];
  };
  const at = flat ? index[index.length - 1] : index[index.length - 2] * columns + index[index.length - 1];
  const label = `${tensor}${before.length ? `[${[...before, "…"].join(",")}]` : ""}`;
  const sheet = { tensor, rows, columns, at, label, cellAt, valueAt };
  const element = columns <= MAX_DIGITS && rows <= MAX_DIGITS ? digits(context, sheet) : picture(context, sheet);
  return staticStage(createElement("figure.computation-factor.computation-place", createElement("figcaption", label), element));
}

/**
 * @typedef {{tensor: string, rows: number, columns: number, at: number, label: string,
 *   cellAt(row: number, column: number): string | null, valueAt(row: number, column: number): number | null}} Sheet
 */

/** @param {PanelContext} context @param {Sheet} sheet */
function digits(context, { tensor, rows, columns, cellAt, valueAt, at, label }) {
  const grid = new NumberGrid(rows, columns, label, context);
  const entries = grid.squares.map((_, place) => {
    const [row, column] = [Math.floor(place / columns), place % columns];
    const value = valueAt(row, column);
    return value === null ? null : { value, cell: cellAt(row, column), gap: null };
  });
  grid.fill(entries, scaleOfTensor(context.trace, tensor));
  grid.mark(at);
  return grid.element;
}

/** @param {PanelContext} context @param {Sheet} sheet */
function picture(context, { tensor, rows, columns, cellAt, valueAt, at, label }) {
  const plane = new Plane(rows, columns, label, context, cellAt);
  plane.fill(valueAt, scaleOfTensor(context.trace, tensor));
  plane.mark(Math.floor(at / columns), at % columns);
  return plane.element;
}
