/** An array of the lab as planes below each other; a kernel's planes (one per input channel) are side by side. */
import { ravel, sizeOf } from "../../engine/tensor.js";
import { named, parted } from "../../explain/naming.js";
import { cells } from "../../figures/cells.js";
import { createElement } from "../../elements.js";
import { fields } from "../../figures/fields.js";
import { pixels } from "../../figures/pixels.js";
import { LARGEST } from "./setting.js";

/**
 * @typedef {import("../../types.js").NDArray} NDArray
 * @typedef {import("../../figures/plane.js").Mark} Mark
 * @typedef {import("../../style/scale.js").Scale} Scale
 * @typedef {import("../../figures/plane.js").Plane} Plane
 * @typedef {{
 *   change: (at: number, value: number) => void, paste: (at: number, block: string) => void,
 *   refuse: (text: string) => void, restore: () => void,
 * }} Editing
 * @typedef {{
 *   tensor: string, shape: number[], shownAs?: string,
 *   pick: (cell: string) => void, hover: (cell: string | null) => void, editing?: Editing,
 * }} StackOptions
 * @typedef {{
 *   element: HTMLElement, tensor: string,
 *   show(array: NDArray, scale: Scale): void, mark(marks: Map<string, Mark>): void,
 * }} Stack
 */

const TEXT = LARGEST + 4;
/** @type {Map<number, Mark>} */
const NONE = new Map();

/**
 * @param {StackOptions} options
 * @returns {Stack}
 */
export function stack(options) {
  const { tensor, shape } = options;
  const [rows, columns] = shape.length > 1 ? shape.slice(-2) : [shape[0], 1];
  const leading = shape.slice(0, Math.max(shape.length - 2, 0));
  const planes = Array.from({ length: sizeOf(leading) }, (_, k) => {
    return onePlane(options, k, rows, columns, leading);
  });
  const size = rows * columns;
  const element = createElement("div", { class: "stack" }, ...planes.map((plane) => plane.element));
  element.style.setProperty("--across", String(leading.length > 1 ? leading[1] : 1));
  return {
    element,
    tensor,
    show: (array, scale) =>
      planes.forEach((plane, k) => plane.show(array.data.subarray(k * size, (k + 1) * size), scale)),
    mark(marks) {
      const own = marksOf(marks, tensor, shape, size);
      planes.forEach((plane, k) => plane.mark(own[k] ?? NONE));
    },
  };
}

/**
 * @param {StackOptions} options
 * @param {number} k
 * @param {number} rows
 * @param {number} columns
 * @param {number[]} leading
 */
function onePlane(options, k, rows, columns, leading) {
  const { tensor, shape, editing } = options;
  const name = namer(tensor, leading, columns, shape.length);
  const index = leading.length > 1 ? [Math.floor(k / leading[1]), k % leading[1]] : leading.length ? [k] : [];
  const which = index.length ? `, plane ${index.join(", ")}` : "";
  const label = `${options.shownAs ?? tensor}${which}: ${rows} × ${columns}`;
  const start = k * rows * columns;
  const shared = {
    label,
    rows,
    columns,
    name: (/** @type {number} */ i, /** @type {number} */ j) => name(k, i, j),
    hover: (/** @type {number} */ i, /** @type {number} */ j, /** @type {boolean} */ inside) => {
      options.hover(inside ? name(k, i, j) : null);
    },
  };
  const pick = (/** @type {number} */ i, /** @type {number} */ j) => options.pick(name(k, i, j));
  if (rows > TEXT || columns > TEXT) return pixels({ ...shared, pick });
  if (!editing) return cells({ ...shared, pick });
  return fields({
    ...shared,
    change: (i, j, value) => editing.change(start + i * columns + j, value),
    paste: (i, j, block) => editing.paste(start + i * columns + j, block),
    refuse: editing.refuse,
    restore: editing.restore,
  });
}

/**
 * Returns a function that names the cells of plane k: `conv1.w[o,c,u,v]`, or `conv1.b[o]` for an array of one axis.
 * @param {string} tensor @param {number[]} leading @param {number} columns @param {number} axes
 */
function namer(tensor, leading, columns, axes) {
  return (/** @type {number} */ k, /** @type {number} */ i, /** @type {number} */ j) => {
    if (axes === 1) return named(tensor, [i * columns + j]);
    const first = leading.length > 1 ? [Math.floor(k / leading[1]), k % leading[1]] : [k];
    return named(tensor, [...first, i, j]);
  };
}

/**
 * Returns the marks of one array by plane.
 * @param {Map<string, Mark>} marks
 * @param {string} tensor
 * @param {number[]} shape
 * @param {number} size  number of cells of a plane
 */
function marksOf(marks, tensor, shape, size) {
  /** @type {Map<number, Mark>[]} */
  const planes = [];
  for (const [cell, mark] of marks) {
    if (!cell.startsWith(`${tensor}[`)) continue;
    const place = ravel(parted(cell).index, shape);
    const k = Math.floor(place / size);
    planes[k] ??= new Map();
    planes[k].set(place % size, mark);
  }
  return planes;
}
