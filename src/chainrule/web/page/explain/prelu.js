/**
 * Parametric ReLU, explained. Equations: engine/prelu.js.
 *
 * @typedef {import("./cell_context.js").CellContext} CellContext
 * @typedef {import("./derivation.js").Derivation} Derivation
 */

import { sizeOf, unravel } from "../engine/tensor.js";
import { term } from "./cell_context.js";
import { at, letters, sumOver } from "./notation.js";

const WHERE = ["i", "j"];

/** y = x where x > 0, else slope·x @param {CellContext} ctx @returns {Derivation} */
export function prelu(ctx) {
  return leaning(ctx, ctx.number(0, ctx.own), 1, []);
}

/** dx = dy where x > 0, else slope·dy @param {CellContext} ctx @returns {Derivation} */
export function prelu_dx(ctx) {
  return leaning(ctx, ctx.number(1, ctx.own), 2, [ctx.cell(1, ctx.own)]);
}

/** dslope[c] = Σ dy·min(0, x) @param {CellContext} ctx @returns {Derivation} */
export function prelu_dw(ctx) {
  const [c] = ctx.own;
  const size = ctx.array(1).shape.slice(1);
  const places = Array.from({ length: sizeOf(size) }, (_, place) => [c, ...unravel(place, size)]);
  const terms = places.map((place) => {
    const below = { name: "min(0, x)", cell: null, value: Math.min(0, ctx.number(1, place)), why: "" };
    return term(ctx.factor(0, place), below);
  });
  const where = WHERE.slice(0, size.length);
  const [symbols, here] = ["c", c].map(
    (k) => `${at(ctx.result, k)} = ${sumOver(...where)}${at("dy", k, ...where)} · min(0, ${at("x", k, ...where)})`,
  );
  return { words: ctx.sentences(), symbols, here, terms, sources: places.map((place) => ctx.cell(1, place)) };
}

/**
 * Explains a value that is multiplied by its channel's slope unless x > 0.
 *
 * @param {CellContext} ctx @param {number} x @param {number} slopes  their position among the inputs
 * @param {string[]} sources @returns {Derivation}
 */
function leaning(ctx, x, slopes, sources) {
  const [value, slope, negative] = [ctx.factor(0, ctx.own), ctx.factor(slopes, ctx.own.slice(0, 1)), x <= 0];
  const names = letters(ctx.own.length);
  const of = at(value.name, ...names);
  const symbols = `${at(ctx.result, ...names)} = ${of} if ${at("x", ...names)} > 0, else slope[${names[0]}] · ${of}`;
  const factor = negative ? `slope[${ctx.own[0]}] · ` : "";
  const here = `${at(ctx.result, ...ctx.own)} = ${factor}${at(value.name, ...ctx.own)}`;
  const terms = [negative ? term(slope, value) : term(value)];
  const words = ctx.sentences({ negative, x: ctx.text(x), slope: ctx.text(slope.value) });
  return { words, symbols, here, terms, sources };
}
