/**
 * Resampling and its gradient, explained. Equations: engine/reference.js.
 *
 * @typedef {import("./cell_context.js").CellContext} CellContext
 * @typedef {import("./details.js").Details} Details
 * @typedef {import("./notation.js").Index} Index
 */

import { resampling_weights } from "../engine/reference.js";
import { term } from "./cell_context.js";
import { at } from "./notation.js";

/** y[c,i,j] = Σ_{h,k} a[i,h] · b[j,k] · x[c,h,k] @param {CellContext} ctx @returns {Details} */
export function resample(ctx) {
  const { mode, lines = [] } = ctx.attributes;
  const size = ctx.array(0).shape.slice(1);
  const weights = ctx.own.slice(1).map((i, axis) => resampling_weights(mode, size[axis], ctx.size[axis], i, lines[axis]));
  const sum = weightedSum(ctx, weights, ["c", "i", "j"], ["h", "k"], (name, own, other) => at(name, own, other));
  const facts = Object.fromEntries(["average", "nearest", "bilinear"].map((name) => [name, name === mode]));
  return { words: ctx.sentences({ values: sum.terms.length, ...facts }), ...sum };
}

/** dx[c,h,k] = Σ_{i,j} a[i,h] · b[j,k] · dy[c,i,j] @param {CellContext} ctx @returns {Details} */
export function resample_dx(ctx) {
  const { mode, lines = [] } = ctx.attributes;
  const outputs = ctx.array(0).shape.slice(1);
  const weights = ctx.own.slice(1).map((cell, axis) => resamplingReaders(mode, ctx.size[axis], outputs[axis], cell, lines[axis]));
  const sum = weightedSum(ctx, weights, ["c", "h", "k"], ["i", "j"], (name, own, other) => at(name, other, own));
  const { length } = sum.terms;
  return { words: ctx.sentences({ values: length, once: length === 1, unused: length === 0 }), ...sum };
}

/**
 * Returns the outputs along one axis that read a cell, with its weight in each.
 *
 * @param {string} mode @param {number} size @param {number} outputs @param {number} cell @param {number[]} [line]
 */
function resamplingReaders(mode, size, outputs, cell, line) {
  return Array.from({ length: outputs }, (_, i) => i).flatMap((i) => {
    const weight = resampling_weights(mode, size, outputs, i, line).find(([place]) => place === cell);
    return weight ? [[i, weight[1]]] : [];
  });
}

/**
 * Returns the sum of the products of cells, their row weights and their column weights, with its equations.
 *
 * @param {CellContext} ctx @param {number[][][]} weights  cells and weights, row by row and column by column
 * @param {string[]} own  letters of the result's index @param {string[]} over  letters of the sum
 * @param {(name: string, own: Index, other: string) => string} weight  writes a weight
 */
function weightedSum(ctx, [rows, columns], own, over, weight) {
  const [c] = ctx.own;
  const factor = (/** @type {string} */ name, /** @type {number} */ value) => ({ name, cell: null, value, gap: null });
  const terms = rows.flatMap(([row, a]) =>
    columns.map(([column, b]) => term(factor("a", a), factor("b", b), ctx.factor(0, [c, row, column]))),
  );
  const [symbols, here] = [own, ctx.own].map((/** @type {Index[]} */ index) => {
    const written = `${weight("a", index[1], over[0])} · ${weight("b", index[2], over[1])}`;
    return `${at(ctx.result, ...index)} = Σ_{${over.join()}} ${written} · ${at(ctx.symbolOf(0), index[0], ...over)}`;
  });
  return { symbols, here, terms };
}
