/**
 * A part of a layer where a reader can hold a number: a few outputs, the inputs of one channel that they read, and the
 * weights between them. What holding a number shows follows from the products of inputs and weights alone: y adds x · w,
 * dx adds dy · w, and dw adds dy · x.
 *
 * @typedef {import("../types.js").NDArray} NDArray
 * @typedef {import("../types.js").Operation} Operation
 * @typedef {import("../types.js").Trace} Trace
 * @typedef {"x" | "w" | "y"} Side
 * @typedef {{x: string, w: string | null, y: string, factor: number}} Use  the cells of a product. w: null where a layer has no
 *   weights; factor: the weight, or what a pooling layer multiplies the input by
 * @typedef {{rows: number, columns: number, cells: string[]}} CellGrid
 * @typedef {{operation: Operation, layer: string, uses: Use[], grids: Record<Side, CellGrid | null>, gradients: Record<Side, string>}} HeldLayer
 *   gradients: the tensors that the layer's own backward pass writes, "" if the plan does not compute them
 * @typedef {{
 *   side: Side, cell: string, source: string, total: number | null, bias: number, rest: number, others: number, near: number,
 *   terms: {use: Use, factors: [number, number], value: number}[],
 * }} Holding  source: the cell of the sum, y, dx or dw; total: its value; rest: what the terms outside the picture add; others:
 *   how many they are, without padding except at the positions of a weight; near: how many of them are in the shown map
 */

import { gradientName, primal } from "../engine/interpreter.js";
import { operations } from "../engine/operations.js";
import { byMagnitude, largestMagnitude, ravel, sizeOf, text, unravel } from "../engine/tensor.js";
import { bounds, indicesOf } from "./boxes.js";
import { explain } from "./index.js";
import { layered, named, parted, valueOf } from "./naming.js";

const LAYERS = ["cross_correlate", "dense", "max_pool", "average_pool"];
const [OUTPUTS, INPUTS] = [3, 7]; // most along an axis of a map
const [DENSE_OUTPUTS, DENSE_INPUTS] = [3, 5];
const NEAR = { window: [OUTPUTS, OUTPUTS], stride: [1, 1], padding: [[1, 1], [1, 1]], divisor: "one" };

/**
 * Returns the operations with a part that can be held: all of these kinds but those with very large windows, and those that read a
 * map in another shape than the layer before.
 * @param {Trace} trace
 */
export function holdable({ description: { plan }, values }) {
  return plan.forward.filter(({ name, reads, writes, attributes: { window, dilation = [1, 1] } }) => {
    const sizes = window ?? reads[1]?.shape.slice(2) ?? [];
    const isSmall = sizes.every((/** @type {number} */ size, /** @type {number} */ axis) => dilation[axis] * (size - 1) < INPUTS);
    const [own, read] = [reads[0]?.shape, values.get(reads[0]?.storage ?? "")?.shape].map((shape) => text(shape?.filter((length) => length > 1) ?? []));
    return LAYERS.includes(name) && isSmall && (name === "dense" || own === read) && [...reads, ...writes].every((tensor) => !tensor || values.has(tensor.storage));
  });
}

/** Returns the side of an operation that a cell is on; null if it is on none. @param {Operation} operation @param {string} cell @returns {Side | null} */
export function sideOf({ reads: [x, w], writes: [y] }, cell) {
  const { tensor } = parted(cell);
  if (tensor === y.storage) return "y";
  if (tensor === w?.storage) return "w";
  return tensor === x?.storage ? "x" : null;
}

/**
 * Returns the part of a layer around a cell, where it is used most or, without a cell, where the gradients are largest.
 * @param {Trace} trace @param {Operation} operation @param {string | null} cell @returns {HeldLayer}
 */
export function heldLayer(trace, operation, cell) {
  const gradients = gradientsOf(trace, operation);
  const focus = focusOf(trace, operation, gradients, cell);
  const own = usesOf(trace, focus);
  const strengths = own.map((use) => (use.x === cell || use.w === cell ? Infinity : (valueOf(trace, use.x) ?? 0) * use.factor));
  const part = operation.name === "dense" ? densePart(trace, focus, own, strengths) : slidingPart(trace, focus, own[largestMagnitude(strengths)]);
  return { operation, layer: layered(operation.writes[0].storage).layer, gradients, ...part };
}

/** @param {Trace} trace @param {Operation} operation @returns {Record<Side, string>} */
function gradientsOf({ description: { plan }, values }, { name, reads: [x], writes: [{ storage }] }) {
  const y = gradientName(storage);
  const dx = plan.backward.find((operation) => operation.name === `${name}_dx` && operation.reads[0]?.storage === y);
  const dw = plan.backward.find(({ name: own, reads }) => own === `${name}_dw` && reads[0]?.storage === x?.storage && reads[1]?.storage === y);
  return { x: dx?.writes[0].storage ?? "", w: dw?.writes[0].storage ?? "", y: values.has(y) ? y : "" };
}

/** Returns the output to show: that with the largest terms around it. @param {Trace} trace @param {Operation} operation @param {Record<Side, string>} gradients @param {string | null} cell */
function focusOf(trace, operation, gradients, cell) {
  const side = cell === null ? null : sideOf(operation, cell);
  if (cell !== null && side === "y") return cell;
  const { storage } = operation.writes[0];
  const { shape, data } = /** @type {NDArray} */ (trace.values.get(gradients.y) ?? trace.values.get(storage));
  const scores = new Float64Array(data.length); // every use counts, more if its term is not 0, and a little more if it is large
  const strength = (/** @type {number} */ value) => (value ? 1 + Math.tanh(Math.abs(value)) : 0);
  if (cell !== null && side && gradients[side]) {
    for (const { factors, value } of explain(trace, named(gradients[side], parted(cell).index)).terms) {
      const gradient = factors.find((factor) => factor.cell !== null && parted(factor.cell).tensor === gradients.y);
      if (gradient?.cell) scores[ravel(parted(gradient.cell).index, shape)] = 1 + strength(value);
    }
  } else data.forEach((value, at) => (scores[at] = strength(value)));
  const isMap = shape.length === 3;
  const near = isMap ? operations.average_pool([{ shape: [1, ...shape], data: scores }], NEAR)[0].data : scores;
  return named(gradients.y ? primal(gradients.y) : storage, unravel(largestMagnitude(near), shape));
}

/** Returns the products that an output adds; padding is left out. @param {Trace} trace @param {string} y  the output @returns {Use[]} */
function usesOf(trace, y) {
  const { terms, pick, scale } = explain(trace, y);
  if (pick) return pick.candidates.map((candidate, at) => ({ x: candidate.cell, w: null, y, factor: Number(at === pick.winner) }));
  return terms.flatMap(({ factors }) => {
    const x = factors.find(({ name }) => name === "x");
    const w = factors.find(({ name }) => name === "w");
    return x?.cell ? [{ x: x.cell, w: w?.cell ?? null, y, factor: w?.value ?? scale?.value ?? 1 }] : [];
  });
}

/** Returns the outputs with the largest gradients, and the inputs with the largest products. @param {Trace} trace @param {string} focus @param {Use[]} own @param {number[]} strengths */
function densePart(trace, focus, own, strengths) {
  const { tensor, index } = parted(focus);
  const ascending = (/** @type {number[]} */ places) => places.sort((a, b) => a - b);
  const inputs = ascending(byMagnitude(strengths).slice(0, DENSE_INPUTS)).map((at) => own[at].x);
  const slopes = Array.from((trace.values.get(gradientName(tensor)) ?? trace.values.get(tensor))?.data ?? []).with(index[0], Infinity);
  const outputs = ascending(byMagnitude(slopes).slice(0, DENSE_OUTPUTS)).map((at) => named(tensor, [at]));
  const uses = outputs.flatMap((cell) => usesOf(trace, cell)).filter((use) => inputs.includes(use.x));
  const [rows, columns] = [outputs.length, inputs.length];
  const weights = uses.map((use) => use.w ?? "");
  return { uses, grids: { x: { rows: 1, columns, cells: inputs }, w: { rows, columns, cells: weights }, y: { rows, columns: 1, cells: outputs } } };
}

/** Returns the outputs around one of them, as many as fit, and what they use of one channel. @param {Trace} trace @param {string} focus @param {Use} lead  the use that is surely shown */
function slidingPart(trace, focus, lead) {
  const { tensor, index: [channel, ...place] } = parted(focus);
  const [, ...ends] = /** @type {NDArray} */ (trace.values.get(tensor)).shape;
  for (let size = OUTPUTS; ; size -= 1) {
    const from = place.map((at, axis) => Math.max(0, Math.min(at - Math.floor(size / 2), ends[axis] - size)));
    const to = from.map((first, axis) => Math.min(first + size, ends[axis]));
    const outputs = indicesOf({ tensor, from: [channel, ...from], to: [channel + 1, ...to] }).map((index) => named(tensor, index));
    const uses = outputs.flatMap((cell) => usesOf(trace, cell)).filter((use) => parted(use.x).index[0] === parted(lead.x).index[0]);
    const x = gridOf(uses.map((use) => use.x));
    const weights = uses.flatMap((use) => use.w ?? []);
    if (size === 1 || Math.max(x.rows, x.columns) <= INPUTS) return { uses, grids: { x, w: weights.length ? gridOf(weights) : null, y: gridOf(outputs) } };
  }
}

/** Returns the rectangle of cells around some cells of a map or row. @param {string[]} cells @returns {CellGrid} */
function gridOf(cells) {
  const { tensor } = parted(cells[0]);
  const box = { tensor, ...bounds(cells.map((cell) => parted(cell).index)) };
  const [rows, columns] = [1, ...box.from.map((first, axis) => box.to[axis] - first)].slice(-2);
  return { rows, columns, cells: indicesOf(box).map((index) => named(tensor, index)) };
}

/** Returns what holding a cell of a layer shows. @param {Trace} trace @param {HeldLayer} layer @param {string} cell @returns {Holding} */
export function holdingOf(trace, { operation, uses, gradients }, cell) {
  const side = /** @type {Side} */ (sideOf(operation, cell));
  const { index } = parted(cell);
  const read = (/** @type {string} */ name) => valueOf(trace, name) ?? 0;
  const terms = uses.filter((use) => use[side] === cell).map((use) => {
    const weight = use.w === null ? use.factor : read(use.w);
    const dy = read(named(gradients.y, parted(use.y).index));
    const [left, right] = { y: [read(use.x), weight], x: [dy, weight], w: [dy, read(use.x)] }[side];
    return { use, factors: /** @type {[number, number]} */ ([left, right]), value: left * right };
  });
  const source = side === "y" ? cell : gradients[side] && named(gradients[side], index);
  const all = source && side !== "w" ? explain(trace, source).terms : [];
  const bias = all.find(({ factors: [{ name }] }) => name === "b")?.value ?? 0;
  const total = source ? read(source) : null;
  const rest = (total ?? 0) - terms.reduce((sum, { value }) => sum + value, bias);
  const shown = new Set(terms.map(({ use }) => (side === "y" ? use.x : named(gradients.y, parted(use.y).index))));
  const outside = all.filter(({ factors }) => factors.every((factor) => factor.cell !== null && factor.name !== "b" && !shown.has(factor.cell)));
  const isNear = (/** @type {import("../types.js").Factor} */ { cell: at }) => at !== null && parted(at).tensor === gradients.y && parted(at).index[0] === parted(uses[0].y).index[0];
  const near = outside.filter(({ factors }) => factors.some(isNear)).length;
  const others = side === "w" ? sizeOf(operation.writes[0].shape.slice(1)) - terms.length : outside.length;
  return { side, cell, source, terms, total, bias, rest, others, near };
}
