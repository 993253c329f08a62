/**
 * Resampling and its gradient, explained. Equations: engine/resampling.js.
 *
 * @typedef {import("./cell_context.js").CellContext} CellContext
 * @typedef {import("./derivation.js").Derivation} Derivation
 * @typedef {import("./notation.js").Index} Index
 */

import { resamplingWeights } from "../engine/resampling.js";
import { term } from "./cell_context.js";
import { at } from "./notation.js";

/** y[c,i,j] = Σ_{h,k} a[i,h] · b[j,k] · x[c,h,k] @param {CellContext} ctx @returns {Derivation} */
export function resample(ctx) {
  const [c, ...own] = ctx.own;
  const { mode, lines = [] } = ctx.attributes;
  const size = ctx.array(0).shape.slice(1);
  const [rows, columns] = own.map((i, axis) => resamplingWeights(mode, size[axis], ctx.size[axis], i, lines[axis]));
  const terms = rows.flatMap(([h, a]) => columns.map(([k, b]) => weighted(ctx, [c, h, k], a, b)));
  const [symbols, here] = [["c", "i", "j"], ctx.own].map((/** @type {Index[]} */ index) => {
    const weights = `${at("a", index[1], "h")} · ${at("b", index[2], "k")}`;
    return `${at(ctx.result, ...index)} = Σ_{h,k} ${weights} · ${at(ctx.symbolOf(0), index[0], "h", "k")}`;
  });
  const facts = Object.fromEntries(["average", "nearest", "bilinear"].map((name) => [name, name === mode]));
  return { words: ctx.sentences({ values: terms.length, ...facts }), symbols, here, terms };
}

/** dx[c,h,k] = Σ_{i,j} a[i,h] · b[j,k] · dy[c,i,j] @param {CellContext} ctx @returns {Derivation} */
export function resample_dx(ctx) {
  const [c, ...own] = ctx.own;
  const { mode, lines = [] } = ctx.attributes;
  const outputs = ctx.array(0).shape.slice(1);
  const [rows, columns] = own.map((cell, axis) => {
    const readers = Array.from({ length: outputs[axis] }, (_, i) => {
      const weights = resamplingWeights(mode, ctx.size[axis], outputs[axis], i, lines[axis]);
      const weight = weights.find(([place]) => place === cell);
      return weight ? [[i, weight[1]]] : [];
    });
    return readers.flat();
  });
  const terms = rows.flatMap(([i, a]) => columns.map(([j, b]) => weighted(ctx, [c, i, j], a, b)));
  const [symbols, here] = [["c", "h", "k"], ctx.own].map((/** @type {Index[]} */ index) => {
    const weights = `${at("a", "i", index[1])} · ${at("b", "j", index[2])}`;
    return `${at(ctx.result, ...index)} = Σ_{i,j} ${weights} · ${at(ctx.symbolOf(0), index[0], "i", "j")}`;
  });
  const facts = { values: terms.length, once: terms.length === 1, unused: terms.length === 0 };
  return { words: ctx.sentences(facts), symbols, here, terms };
}

/**
 * Returns the product of a cell, its row weight and its column weight.
 *
 * @param {CellContext} ctx @param {number[]} index @param {number} a @param {number} b
 */
function weighted(ctx, index, a, b) {
  const factor = (/** @type {string} */ name, /** @type {number} */ value) => ({ name, cell: null, value, why: "" });
  return term(factor("a", a), factor("b", b), ctx.factor(0, index));
}
