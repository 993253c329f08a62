/**
 * Padding, cropping and permutation of axes, explained. Equations: engine/reference.js.
 *
 * @typedef {import("./cell_context.js").CellContext} CellContext
 * @typedef {import("./derivation.js").Derivation} Derivation
 * @typedef {import("./notation.js").Index} Index
 */

import { term } from "./cell_context.js";
import { at, letters, minus, plus, withBar } from "./notation.js";

/** y[m] = x̄[m − before], where x̄ is x with zeros around it @param {CellContext} ctx @returns {Derivation} */
export function pad(ctx) {
  const { before } = ctx.attributes;
  return moved(ctx, (index) => index.map((position, axis) => minus(position, before[axis])), withBar(ctx.symbolOf(0)));
}

/** y[m] = x[m + before] @param {CellContext} ctx @returns {Derivation} */
export function crop(ctx) {
  const { before } = ctx.attributes;
  return moved(ctx, (index) => index.map((position, axis) => plus(position, before[axis])), ctx.symbolOf(0));
}

/** y[m] = x[k] with k[axes[a]] = m[a] @param {CellContext} ctx @returns {Derivation} */
export function permute(ctx) {
  /** @type {number[]} */
  const axes = ctx.attributes.axes;
  return moved(ctx, (index) => index.map((_, axis) => index[axes.indexOf(axis)]), ctx.symbolOf(0));
}

/**
 * Explains a moved value or a padding zero; `source` maps an index of the output to an index of the input.
 *
 * @param {CellContext} ctx @param {(index: Index[]) => Index[]} source @param {string} read
 * @returns {Derivation}
 */
function moved(ctx, source, read) {
  const { shape } = ctx.array(0);
  const cell = source(ctx.own).map(Number);
  const inside = cell.every((index, axis) => index >= 0 && index < shape[axis]);
  const zero = { name: ctx.symbolOf(0), cell: null, value: 0, why: "padding" };
  const [symbols, here] = [letters(shape.length), ctx.own].map(
    (/** @type {Index[]} */ index) => `${at(ctx.result, ...index)} = ${at(read, ...source(index))}`,
  );
  const words = ctx.sentences({ inside, read: ctx.symbolOf(0) });
  return { words, symbols, here, terms: [term(inside ? ctx.factor(0, cell) : zero)] };
}
