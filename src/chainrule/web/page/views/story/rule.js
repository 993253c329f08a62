/**
 * The rule of a layer as a picture, with the values of the network: factors and products, a window and its maximum, a
 * gate, or output minus target. Every picture is an equation that holds for the numbers that it prints.
 *
 * @typedef {import("../../types.js").Trace} Trace
 * @typedef {import("../../types.js").Explanation} Explanation
 * @typedef {import("../../style/scale.js").Scale} Scale
 * @typedef {import("./output_error.js").OutputError} OutputError
 * @typedef {Map<string, string>} Chain  the cell of each tensor in the walk
 * @typedef {{title: string, rows: number, columns: number, values: (number | null)[], mark?: number, scale?: Scale, digits?: number[]}} Grid
 */

import { createElement } from "../../elements.js";
import { gradientName, primal } from "../../engine/interpreter.js";
import { byMagnitude, largestMagnitude, unravel } from "../../engine/tensor.js";
import { bounds } from "../../explain/boxes.js";
import { BAR } from "../../explain/evaluation.js";
import { layered, named, parted, placeOf, valueOf } from "../../explain/naming.js";
import { explain } from "../../explain/index.js";
import { enoughDigits } from "../../explain/formulas.js";
import { bracketed, DIGITS, formatNumber } from "../../explain/numbers.js";
import { mapCanvas } from "../../figures/map.js";
import { colorOf, signed } from "../../style/scale.js";
import { layoutOf, windowAround } from "../../figures/term_layout.js";
import { errorOf } from "./output_error.js";

const BRIEF = 2; // digits of numbers in pictures
const [SIDE, SMALL] = [84, 56]; // pixels of up to three pictures in a row, and of four
const MAX_ROWS = 10; // of the outputs

/** Returns the picture, and what it shows; nothing without one. @param {Trace} trace @param {Explanation} explanation @param {Chain} chain @returns {HTMLElement[]} */
export function ruleOf(trace, explanation, chain) {
  const { operation, terms, pick, index, value } = explanation;
  if (operation === "max_pool_dx") return routed(trace, explanation);
  const error = errorOf(trace, explanation);
  if (error) return [difference(error, index[0], value)];
  if (pick) return [picture([windowGrid("the window", pick.candidates, pick.winner)], formatNumber(value), "max →")];
  if (/^relu/u.test(operation)) return gate(trace, explanation);
  if (terms.length > 1) return products(trace, explanation, chain);
  return [];
}

/**
 * Shows the factors and products of one part of a sum: the one through which the walk comes or, without one, that of the
 * largest product.
 *
 * @param {Trace} trace @param {Explanation} explanation @param {Chain} chain
 */
function products(trace, explanation, chain) {
  const { terms, value, scale, symbols } = explanation;
  const { pages, rows, columns, spots, kernel, slides } = layoutOf(explanation, trace);
  const { factors } = terms[terms.length - 1];
  if (factors.length !== 2) return [];
  const onChain = terms.findIndex((term, at) => spots[at] && term.factors.some(({ cell }) => cell && chain.get(parted(cell).tensor) === cell));
  const lead = onChain < 0 ? largestMagnitude(terms.map((term, at) => (spots[at] ? term.value : 0))) : onChain;
  const { page, row, column } = spots[lead] ?? { page: 0, row: 0, column: 0 };
  const grid = (/** @type {string} */ title, /** @type {(at: number) => number} */ of) => {
    /** @type {(number | null)[]} */
    const values = new Array(rows * columns).fill(null);
    spots.forEach((spot, at) => spot?.page === page && (values[spot.row * columns + spot.column] = of(at)));
    return { title, rows, columns, values, mark: row * columns + column };
  };
  const padded = (/** @type {string} */ name) => (symbols.includes(`${name}${BAR}`) ? `${name}${BAR}` : name);
  const [left, right] = factors.map(({ name }, factor) => grid(padded(name), (at) => terms[at].factors[factor]?.value ?? 0));
  const turned = { ...right, values: right.values.toReversed(), mark: rows * columns - 1 - right.mark };
  const isRotated = kernel === "rotated";
  const operands = isRotated ? [turned, { ...right, title: `${right.title}, rotated` }, left] : [left, right];
  const grids = [...operands, grid("products", (at) => terms[at].value)];
  const sum = (/** @type {(spot: import("../../figures/term_layout.js").Spot) => boolean} */ isAdded) => terms.reduce((total, term, at) => (spots[at] && isAdded(spots[at]) ? total + term.value : total), 0);
  const maps = pages.length > 1 ? ` + other maps ${bracketed(sum((spot) => spot.page !== page))}` : "";
  const outside = terms.filter((_, at) => !spots[at]).map((term) => ` + ${term.factors[0].name} ${bracketed(term.value)}`);
  const scaled = scale ? ` · ${bracketed(scale.value)}` : "";
  const rest = `${maps}${outside.join("")}${scaled}`;
  const own = rest ? ` ${bracketed(sum((spot) => spot.page === page))}` : "";
  const shown = picture(grids, formatNumber(value), `Σ${own}${rest} →`, [...(isRotated ? ["↻"] : []), "·", "="]);
  const { layer } = layered(parted(terms[lead].factors[0].cell ?? "").tensor);
  const map = pages.length > 1 ? `Shown: map ${pages[page].number} of ${layer || "the input"}. ` : "";
  return [shown, note(map + framed(grids.slice(-3), terms[lead].value, terms[lead].factors[0].cell) + (slides ? cut(terms, factors[1].name) : ""))];
}

/** Multiplies the framed numbers. @param {Grid[]} grids  two factors, and their products @param {number} product @param {string | null} cell  of a factor */
function framed([left, right], product, cell) {
  const values = [left, right].map(({ values: numbers, mark = 0 }) => numbers[mark] ?? 0);
  const digits = enoughDigits(["·", "a", "b"], values, DIGITS);
  const factors = values.map((value) => bracketed(value, digits)).join(" · ");
  return `Framed${cell ? `, at ${cell}` : ""}: ${factors} = ${formatNumber(product)}.`;
}

/** Says which part of an input the positions of a weight cover. @param {import("../../types.js").Term[]} terms @param {string} name */
function cut(terms, name) {
  const cells = terms.flatMap(({ factors: [, { cell }] }) => (cell ? [parted(cell).index.slice(1)] : []));
  const { from, to } = bounds(cells);
  const sides = from.map((start, axis) => `${from.length === 1 ? "positions" : ["rows", "columns"][axis]} ${start} to ${to[axis] - 1}`);
  return ` Of ${name}, only what lay under the weight is shown: ${sides.join(", ")}.`;
}

/** @param {string} words */
function note(words) {
  return createElement("p.story-meta", words);
}

/** Shows the window of the largest gradient: its values, and its gradients. @param {Trace} trace @param {Explanation} explanation */
function routed(trace, { terms, cell }) {
  const source = terms[0]?.factors[0]?.cell;
  const output = source && primalCell(source);
  const pick = output ? explain(trace, output).pick : undefined;
  if (!pick || !source) return [];
  const input = parted(cell).tensor;
  const gradients = pick.candidates.map((candidate) => {
    const won = candidate.cell === pick.candidates[pick.winner].cell;
    return { cell: named(input, parted(candidate.cell).index), value: won ? (valueOf(trace, source) ?? 0) : 0 };
  });
  const grids = [windowGrid("the window, forward", pick.candidates, pick.winner), windowGrid("its gradient", gradients, pick.winner)];
  return [picture(grids, formatNumber(valueOf(trace, source) ?? 0), "← dy", ["→"], true)];
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
  if (!x || !incoming) return [];
  const flat = placeOf(trace, cell)?.flat ?? 0;
  const maps = [incoming, x, tensor].map((name) => mapOf(trace, name, flat));
  if (maps.some((map) => map === null)) return [];
  const [before, input, after] = /** @type {Grid[]} */ (maps);
  const open = { ...input, title: "gate: x > 0", values: input.values.map((number) => number && Number(number > 0)), scale: /** @type {Scale} */ ({ kind: "sequential", low: 0, high: 1 }) };
  const shown = picture([{ ...before, title: isBack ? "dy" : "x" }, open, { ...after, title: isBack ? "dx" : "y" }], "", "", ["·", "="]);
  return [shown, note(framed([before, open], value, named(incoming, unravel(flat, trace.values.get(incoming)?.shape ?? []))))];
}

/** Returns the map that contains an element of a tensor, which is marked; a vector is folded. @param {Trace} trace @param {string} tensor @param {number} flat @returns {Grid | null} */
function mapOf(trace, tensor, flat) {
  const array = trace.values.get(tensor);
  if (!array) return null;
  const { shape, data } = array;
  const folded = Math.ceil(Math.sqrt(data.length));
  const [rows, columns] = shape.length > 2 ? shape.slice(-2) : [Math.ceil(data.length / folded), folded];
  const mark = flat % (rows * columns);
  const values = Array.from({ length: rows * columns }, (_, at) => data[flat - mark + at] ?? null);
  return { title: tensor, rows, columns, values, mark };
}

/** Shows the outputs, the targets and the gradient, which is their difference times a factor. @param {OutputError} error @param {number} index @param {number} value */
function difference({ title, output, target, gradient, factor }, index, value) {
  const shown = byMagnitude(gradient).slice(0, MAX_ROWS).sort((a, b) => a - b);
  const scale = /** @type {Scale} */ ({ kind: "diverging", low: -1, high: 1 });
  const column = (/** @type {string} */ heading, /** @type {ArrayLike<number>} */ of) =>
    ({ title: heading, rows: shown.length, columns: 1, values: shown.map((at) => of[at]), scale, mark: shown.indexOf(index) });
  const times = factor === 1 ? "" : `, times ${formatNumber(factor)}`;
  const digits = shown.map((at) => enoughDigits(["−", "output", "target"], [output[at], target[at]], BRIEF));
  const grids = [{ ...column(title, output), digits }, { ...column("t", target), digits }, column(`${title} − t${times}`, gradient)];
  const rest = shown.length < output.length ? `the ${shown.length} largest of ${output.length}; framed` : "framed";
  return picture(grids, formatNumber(value), rest, ["−", factor === 1 ? "=" : "→"], true);
}

/**
 * @param {Grid[]} grids @param {string} result @param {string} sign  before the result @param {string[]} [joints]  between the grids
 * @param {boolean} [isWritten]  whether small grids contain their numbers
 */
function picture(grids, result, sign, joints = [], isWritten = false) {
  const side = grids.length > 3 ? SMALL : SIDE;
  const parts = grids.flatMap((grid, at) => {
    const figure = createElement("figure", gridElement(grid, isWritten, side), createElement("figcaption", grid.title));
    return at ? [createElement("span.story-joint", joints[at - 1] ?? ""), figure] : [figure];
  });
  const end = sign ? [createElement("p.story-result", sign, " ", createElement("b.number", result))] : [];
  return createElement("div.story-rule", ...parts, ...end);
}

/** @param {Grid} grid @param {boolean} isWritten @param {number} side  pixels of the longer side of a map */
function gridElement({ rows, columns, values, mark, scale, digits }, isWritten, side) {
  if (isWritten || values.length <= 9) return numbersElement(columns, values, mark, scale, digits);
  const map = createElement("div.story-map", mapCanvas({ rows, columns, values }, scale ?? signed(values.map(Number)), side));
  if (mark === undefined) return map;
  const place = { "--row": Math.floor(mark / columns), "--column": mark % columns, "--pixel": `${side / Math.max(rows, columns)}px` };
  map.append(createElement("span.story-mark", place));
  return map;
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
