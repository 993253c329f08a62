/**
 * The rule of a layer as a picture, with the values of the network: factors and products, a window and its maximum, a
 * gate, or output minus target. Every picture is an equation that holds for the numbers that it prints.
 *
 * @typedef {import("../../types.js").Trace} Trace
 * @typedef {import("../../types.js").Explanation} Explanation
 * @typedef {import("../../style/scale.js").Scale} Scale
 * @typedef {import("./output_error.js").OutputError} OutputError
 * @typedef {{title: string, rows: number, columns: number, values: (number | null)[], mark?: number, scale?: Scale, digits?: number[]}} Grid
 */

import { createElement } from "../../elements.js";
import { gradientName, primal } from "../../engine/interpreter.js";
import { byMagnitude, largestMagnitude } from "../../engine/tensor.js";
import { named, parted, placeOf, valueOf } from "../../explain/naming.js";
import { explain } from "../../explain/index.js";
import { enoughDigits } from "../../explain/formulas.js";
import { bracketed, formatNumber } from "../../explain/numbers.js";
import { mapCanvas } from "../../figures/map.js";
import { colorOf, signed } from "../../style/scale.js";
import { layoutOf, pageSums, windowAround } from "../../figures/term_layout.js";
import { errorOf } from "./output_error.js";

const BRIEF = 2; // digits of numbers in pictures
const SIDE = 84; // pixels
const MAX_ROWS = 10; // of the outputs

/** @param {Trace} trace @param {Explanation} explanation @returns {HTMLElement | null} */
export function ruleOf(trace, explanation) {
  const { operation, terms, pick } = explanation;
  if (operation === "max_pool_dx") return routed(trace, explanation);
  const error = errorOf(trace, explanation);
  if (error) return difference(error, explanation.value);
  if (pick) return picture([windowGrid("the window", pick.candidates, pick.winner)], formatNumber(explanation.value), "max →");
  if (/^relu/u.test(operation)) return gate(trace, explanation);
  if (terms.length > 1) return products(trace, explanation);
  return null;
}

/** Shows the factors and products of the part of a sum with the largest products. @param {Trace} trace @param {Explanation} explanation */
function products(trace, explanation) {
  const { terms, value, scale } = explanation;
  const layout = layoutOf(explanation, trace);
  const { pages, rows, columns, spots, kernel } = layout;
  const page = largestMagnitude(pageSums(layout, terms.map((term) => Math.abs(term.value))));
  const names = terms[terms.length - 1].factors.map(({ name }) => name);
  if (names.length !== 2) return null;
  const grid = (/** @type {string} */ title, /** @type {(at: number) => number} */ of) => {
    /** @type {(number | null)[]} */
    const values = new Array(rows * columns).fill(null);
    spots.forEach((spot, at) => spot?.page === page && (values[spot.row * columns + spot.column] = of(at)));
    return { title, rows, columns, values };
  };
  const grids = [
    ...names.map((name, factor) => grid(factor && kernel === "rotated" ? `${name}, rotated` : name, (at) => terms[at].factors[factor]?.value ?? 0)),
    grid("products", (at) => terms[at].value),
  ];
  const others = spots.reduce((sum, spot, at) => (spot && spot.page !== page ? sum + terms[at].value : sum), 0);
  const maps = pages.length > 1 ? ` + other maps ${bracketed(others, BRIEF)}` : "";
  const outside = terms.filter((_, at) => !spots[at]).map((term) => ` + ${term.factors[0].name} ${bracketed(term.value, BRIEF)}`);
  const scaled = scale ? ` · ${bracketed(scale.value, BRIEF)}` : "";
  return picture(grids, formatNumber(value), `Σ${maps}${outside.join("")}${scaled} →`, ["·", "="]);
}

/** Shows the window of the largest gradient: its values, and its gradients. @param {Trace} trace @param {Explanation} explanation */
function routed(trace, { terms, cell }) {
  const source = terms[0]?.factors[0]?.cell;
  const output = source && primalCell(source);
  const pick = output ? explain(trace, output).pick : undefined;
  if (!pick || !source) return null;
  const input = parted(cell).tensor;
  const gradients = pick.candidates.map((candidate) => {
    const won = candidate.cell === pick.candidates[pick.winner].cell;
    return { cell: named(input, parted(candidate.cell).index), value: won ? (valueOf(trace, source) ?? 0) : 0 };
  });
  return picture(
    [windowGrid("the window, forward", pick.candidates, pick.winner), windowGrid("its gradient", gradients, pick.winner)],
    formatNumber(valueOf(trace, source) ?? 0),
    "← dy",
    ["→"],
    true,
  );
}

/** Returns the cells of a window as a grid. @param {string} title @param {{cell: string, value: number}[]} candidates @param {number} winner @returns {Grid} */
function windowGrid(title, candidates, winner) {
  const { rows, columns, places } = windowAround(candidates);
  /** @type {(number | null)[]} */
  const values = new Array(rows * columns).fill(null);
  candidates.forEach(({ value }, n) => (values[places[n]] = value));
  return { title, rows, columns, values, mark: places[winner] };
}

/** Shows the map of a ReLU, its gate, and the result. @param {Trace} trace @param {Explanation} explanation */
function gate(trace, { cell, operation, tensor, value }) {
  const isBack = operation.endsWith("_dx");
  const layer = isBack ? primal(tensor) : "";
  const reads = trace.description.plan.forward.find(({ name, reads: [x], writes: [y] }) => name === "relu" && (isBack ? x?.storage === layer : y.storage === tensor));
  const x = reads?.reads[0]?.storage;
  const incoming = isBack ? reads && gradientName(reads.writes[0].storage) : x;
  if (!x || !incoming) return null;
  const maps = [incoming, x, tensor].map((name) => mapOf(trace, name, parted(cell).index));
  if (maps.some((map) => map === null)) return null;
  const [before, input, after] = /** @type {Grid[]} */ (maps);
  const open = { ...input, title: "gate: x > 0", values: input.values.map((number) => number && Number(number > 0)), scale: /** @type {Scale} */ ({ kind: "sequential", low: 0, high: 1 }) };
  return picture([{ ...before, title: isBack ? "dy" : "x" }, open, { ...after, title: isBack ? "dx" : "y" }], formatNumber(value), "", ["·", "="]);
}

/** Returns the map of a tensor that contains an index; a vector is folded. @param {Trace} trace @param {string} tensor @param {number[]} index @returns {Grid | null} */
function mapOf(trace, tensor, index) {
  const array = trace.values.get(tensor);
  if (!array) return null;
  const { shape, data } = array;
  const isMap = shape.length > 2;
  const [rows, columns] = isMap ? shape.slice(-2) : [Math.ceil(data.length / Math.ceil(Math.sqrt(data.length))), Math.ceil(Math.sqrt(data.length))];
  const first = isMap ? (placeOf(trace, named(tensor, [...index.slice(0, -2), 0, 0]))?.flat ?? 0) : 0;
  const values = Array.from({ length: rows * columns }, (_, at) => data[first + at] ?? null);
  return { title: tensor, rows, columns, values };
}

/** Shows the outputs, the targets and the gradient, which is their difference times a factor. @param {OutputError} error @param {number} value */
function difference({ title, output, target, gradient, factor }, value) {
  const shown = byMagnitude(gradient).slice(0, MAX_ROWS).sort((a, b) => a - b);
  const scale = /** @type {Scale} */ ({ kind: "diverging", low: -1, high: 1 });
  const column = (/** @type {string} */ heading, /** @type {ArrayLike<number>} */ of) =>
    ({ title: heading, rows: shown.length, columns: 1, values: shown.map((at) => of[at]), scale });
  const times = factor === 1 ? "" : `, times ${formatNumber(factor)}`;
  const digits = shown.map((at) => enoughDigits(["−", "output", "target"], [output[at], target[at]], BRIEF));
  const grids = [{ ...column(title, output), digits }, { ...column("t", target), digits }, column(`${title} − t${times}`, gradient)];
  const rest = shown.length < output.length ? `the ${shown.length} largest of ${output.length}; here` : "here";
  return picture(grids, formatNumber(value), rest, ["−", factor === 1 ? "=" : "→"], true);
}

/**
 * @param {Grid[]} grids @param {string} result @param {string} sign  before the result @param {string[]} [joints]  between the grids
 * @param {boolean} [isWritten]  whether small grids contain their numbers
 */
function picture(grids, result, sign, joints = [], isWritten = false) {
  const parts = grids.flatMap((grid, at) => {
    const figure = createElement("figure", gridElement(grid, isWritten), createElement("figcaption", grid.title));
    return at ? [createElement("span.story-joint", joints[at - 1] ?? ""), figure] : [figure];
  });
  const end = sign ? [createElement("p.story-result", sign, " ", createElement("b.number", result))] : [];
  return createElement("div.story-rule", ...parts, ...end);
}

/** @param {Grid} grid @param {boolean} isWritten */
function gridElement({ rows, columns, values, mark, scale, digits }, isWritten) {
  if (isWritten || values.length <= 9) return numbersElement(columns, values, mark, scale, digits);
  return mapCanvas({ rows, columns, values }, scale ?? signed(values.map(Number)), SIDE);
}

/** @param {number} columns @param {(number | null)[]} values @param {number} [mark] @param {Scale} [own] @param {number[]} [digits]  of the numbers */
function numbersElement(columns, values, mark, own, digits = []) {
  const scale = own ?? signed(values.map(Number));
  const cells = values.map((value, at) => {
    const cell = createElement("span", { class: at === mark ? "story-number won" : "story-number" }, value === null ? "" : formatNumber(value, digits[at] ?? BRIEF));
    const color = colorOf(value ?? 0, scale);
    cell.style.setProperty("--fill", `rgb(${color.join(" ")})`);
    return cell;
  });
  const element = createElement("div.story-numbers", ...cells);
  element.style.setProperty("--columns", String(columns));
  return element;
}

/** @param {string} cell  a gradient */
function primalCell(cell) {
  const { tensor, index } = parted(cell);
  return named(primal(tensor), index);
}
