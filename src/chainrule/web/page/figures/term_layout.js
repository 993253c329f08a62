import { bounds } from "../explain/boxes.js";
import { parted } from "../explain/naming.js";

/**
 * The layout of the terms of a sum in rows, columns and pages.
 *
 * @typedef {{page: number, row: number, column: number}} Spot
 * @typedef {{
 *   pages: {letter: string, number: number | null}[], rows: number, columns: number,
 *   spots: (Spot | null)[], kernel: "none" | "straight" | "rotated", slides: boolean,
 * }} Layout
 *   spots: position of each term; null for a term outside the grid (a bias). kernel: whether the second factor is a kernel placed
 *   on the first, and its orientation. slides: whether the terms are output positions and the second factor moves
 *
 * @typedef {import("../types.js").Explanation} Explanation
 * @typedef {import("../types.js").Trace} Trace
 * @typedef {import("../types.js").Term} Term
 */

/** @param {Explanation} explanation @param {Trace} trace @returns {Layout} */
export function layoutOf(explanation, trace) {
  const { operation, terms } = explanation;
  if (operation === "cross_correlate") return kernelLayout(terms, trace, 1);
  if (operation === "cross_correlate_dx") return kernelLayout(terms, trace, 0);
  if (operation === "cross_correlate_dw") return { ...planeLayout(terms, trace), slides: true };
  return planeLayout(terms, trace);
}

/** Lays out the taps of a kernel, one page per channel or filter. @param {Term[]} terms @param {Trace} trace @param {number} pageAxis of w
 * @returns {Layout} */
function kernelLayout(terms, trace, pageAxis) {
  const taps = terms.map((term) => (term.factors.length > 1 ? parted(term.factors[1].cell ?? "") : null));
  const first = taps.find((tap) => tap !== null);
  const [, rows, columns] = inPlane(trace.values.get(first?.tensor ?? "")?.shape.slice(1) ?? []);
  const numbers = distinct(taps.flatMap((tap) => (tap ? [tap.index[pageAxis]] : [])));
  const turned = pageAxis === 0;
  let tap = 0;
  const spots = taps.map((weight) => {
    if (!weight) return null;
    const [row, column] = [Math.floor((tap % (rows * columns)) / columns), tap % columns];
    tap += 1;
    const page = numbers.indexOf(weight.index[pageAxis]);
    return turned ? { page, row: rows - 1 - row, column: columns - 1 - column } : { page, row, column };
  });
  const at = taps.findIndex((weight) => weight !== null);
  const [, row, column] = inPlane(first?.index.slice(1) ?? [], 0);
  const straight = spots[at]?.row === row && spots[at]?.column === column;
  const pages = numbers.map((number) => ({ letter: pageAxis ? "c" : "o", number }));
  return { pages, rows, columns, spots, kernel: straight ? "straight" : "rotated", slides: false };
}

/** Inserts the axis of rows that a series lacks. @param {number[]} axes  channel, row and column, or channel and position @param {number} [row] @returns {number[]} */
function inPlane(axes, row = 1) {
  return axes.length === 2 ? [axes[0], row, axes[1]] : axes;
}

/** Lays out terms in the shape of the first factor that is a different cell in every term. @param {Term[]} terms
 * @param {Trace} trace @returns {Layout} */
function planeLayout(terms, trace) {
  const outside = terms.map((term) => terms.length > 1 && term.factors.length !== terms[terms.length - 1].factors.length);
  const guide = guideOf(terms.filter((_, at) => !outside[at]), trace);
  const indices = guide ?? inLine(outside.filter((isOutside) => !isOutside).length);
  const pages = distinct(indices.map((index) => index[0]));
  const { from: [, top, left], to: [, bottom, right] } = bounds(indices);
  let next = 0;
  const spots = outside.map((isOutside) => {
    if (isOutside) return null;
    const [page, row, column] = indices[next];
    next += 1;
    return { page: pages.indexOf(page), row: row - top, column: column - left };
  });
  return {
    pages: pages.map((number) => (guide ? { letter: "c", number } : { letter: "", number: null })),
    rows: bottom - top,
    columns: right - left,
    spots,
    kernel: "none",
    slides: false,
  };
}

/** Returns the indices of the map or series that is a different cell in every term. @param {Term[]} terms @param {Trace} trace */
function guideOf(terms, trace) {
  for (let at = 0; at < (terms[0]?.factors.length ?? 0); at += 1) {
    const cells = terms.map((term) => term.factors[at]?.cell ?? null);
    if (cells.some((cell) => cell === null) || new Set(cells).size < terms.length) continue;
    const addresses = cells.map((cell) => parted(cell ?? ""));
    const [{ tensor }] = addresses;
    const indices = addresses.map(({ index }) => inPlane(index, 0));
    const isActivation = !(tensor in trace.description.layout);
    if (isActivation && indices[0].length === 3 && addresses.every((address) => address.tensor === tensor)) return indices;
  }
  return null;
}

/** Returns places in one row, or in rows of about equal length. @param {number} count */
function inLine(count) {
  const columns = count <= 7 ? count : count <= 12 ? Math.ceil(count / 2) : Math.ceil(Math.sqrt(count));
  return Array.from({ length: count }, (_, at) => [0, Math.floor(at / columns), at % columns]);
}

/** Adds up the values of the terms on each page. @param {Layout} layout @param {number[]} values */
export function pageSums({ pages, spots }, values) {
  const sums = pages.map(() => 0);
  spots.forEach((spot, at) => spot && (sums[spot.page] += values[at]));
  return sums;
}

/** Returns the smallest window that contains some cells of a map, and the places of the cells in it. @param {{cell: string}[]} cells */
export function windowAround(cells) {
  const indices = cells.map(({ cell }) => parted(cell).index.slice(-2));
  const { from: [top, left], to: [bottom, right] } = bounds(indices);
  const columns = right - left;
  return { rows: bottom - top, columns, places: indices.map(([row, column]) => (row - top) * columns + column - left) };
}

/** @param {number[]} numbers */
function distinct(numbers) {
  return [...new Set(numbers)];
}
