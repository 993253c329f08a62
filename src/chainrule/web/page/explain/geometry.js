/**
 * Padding and cropping, explained. Equations: engine/geometry.js.
 *
 * @typedef {import("./cell_context.js").CellContext} CellContext
 * @typedef {import("./derivation.js").Derivation} Derivation
 * @typedef {import("./notation.js").Index} Index
 */

import { term } from "./cell_context.js";
import { at, letters, minus, plus, withBar } from "./notation.js";

/** y[m] = x̄[m − before], where x̄ is x with zeros around it @param {CellContext} ctx @returns {Derivation} */
export function pad(ctx) {
  return moved(ctx, minus, withBar(ctx.symbolOf(0)));
}

/** y[m] = x[m + before] @param {CellContext} ctx @returns {Derivation} */
export function crop(ctx) {
  return moved(ctx, plus, ctx.symbolOf(0));
}

/**
 * The entry of what is read that stands here, or the zero that does.
 *
 * @param {CellContext} ctx @param {(index: Index, before: Index) => Index} move @param {string} read
 * @returns {Derivation}
 */
function moved(ctx, move, read) {
  const { before } = ctx.attributes;
  const { shape } = ctx.array(0);
  const source = (/** @type {Index[]} */ index) => index.map((each, axis) => move(each, before[axis]));
  const cell = ctx.own.map((each, axis) => Number(move(each, before[axis])));
  const inside = cell.every((index, axis) => index >= 0 && index < shape[axis]);
  const zero = { name: ctx.symbolOf(0), cell: null, value: 0, why: "padding" };
  const [symbols, here] = [letters(shape.length), ctx.own].map(
    (/** @type {Index[]} */ index) => `${at(ctx.result, ...index)} = ${at(read, ...source(index))}`,
  );
  const words = ctx.sentences({ inside, read: ctx.symbolOf(0) });
  return { words, symbols, here, terms: [term(inside ? ctx.factor(0, cell) : zero)] };
}
