/**
 * The gradient of max pooling, explained. Its sum runs over the windows that selected the cell.
 *
 * @typedef {import("./cell_context.js").CellContext} CellContext
 * @typedef {import("./details.js").Details} Details
 */

import { at } from "./notation.js";
import { term } from "./cell_context.js";

/** dx[c,h,k] = Σ dy[c,i,j] over the windows whose maximum is this cell @param {CellContext} ctx @returns {Details} */
export function max_pool_dx(ctx) {
  const [c, h, k] = ctx.own;
  const flat = h * ctx.size[1] + k;
  const { shape } = ctx.array(1);
  const terms = [];
  for (let i = 0; i < shape[1]; i += 1) {
    for (let j = 0; j < shape[2]; j += 1) {
      if (ctx.number(1, [c, i, j]) === flat) terms.push(term(ctx.factor(0, [c, i, j])));
    }
  }
  const [dx, dy, won] = [ctx.result, ctx.symbolOf(0), ctx.symbolOf(1)];
  const [symbols, here] = [
    `${at(dx, "c", "h", "k")} = Σ_{${at(won, "c", "i", "j")}=h·W+k} ${at(dy, "c", "i", "j")}`,
    `${at(dx, c, h, k)} = Σ_{${at(won, c, "i", "j")}=${flat}} ${at(dy, c, "i", "j")}`,
  ];
  const facts = { lost: !terms.length, once: terms.length === 1, windows: terms.length };
  return { words: ctx.sentences(facts), symbols, here, terms };
}
