/**
 * Concatenation, explained. Equation: engine/merging.js.
 *
 * @typedef {import("./cell_context.js").CellContext} CellContext
 * @typedef {import("./derivation.js").Derivation} Derivation
 */

import { term } from "./cell_context.js";
import { at, letters, minus } from "./notation.js";

/** y[c,i,j] = x_k[c − o_k,i,j]: the entry of one input, which stands here @param {CellContext} ctx @returns {Derivation} */
export function concatenate(ctx) {
  const { axis } = ctx.attributes;
  let [read, offset] = [0, 0];
  while (ctx.own[axis] >= offset + ctx.tensor(read).shape[axis]) {
    offset += ctx.tensor(read).shape[axis];
    read += 1;
  }
  const names = letters(ctx.own.length);
  const place = ctx.own.map((index, each) => (each === axis ? index - offset : index));
  const shifted = names.map((name, each) => (each === axis ? minus(name, offset) : name));
  const source = ctx.symbolOf(read);
  return {
    words: ctx.sentences({ layer: ctx.layer, own: source, index: place.join(",") }),
    symbols: `${at(ctx.result, ...names)} = ${at(source, ...shifted)}`,
    here: `${at(ctx.result, ...ctx.own)} = ${at(source, ...place)}`,
    terms: [term(ctx.factor(read, place))],
  };
}
