/**
 * Softmax and its gradient, explained. Equations: engine/activations.js.
 *
 * @typedef {import("./cell_context.js").CellContext} CellContext
 * @typedef {import("./derivation.js").Derivation} Derivation
 */

import { at, letters } from "./notation.js";
import { term } from "./cell_context.js";

/**
 * y[k] = e^{x[k] − m} / Σ_l e^{x[l] − m}, where m is the maximum of x over the classes
 *
 * @param {CellContext} ctx @returns {Derivation}
 */
export function softmax(ctx) {
  const [k, ...position] = ctx.own;
  const sources = rowOf(ctx, 0);
  const values = sources.map((index) => ctx.number(0, index));
  const largest = Math.max(...values);
  const powers = values.map((value) => Math.exp(value - largest));
  const total = powers.reduce((sum, power) => sum + power, 0);
  const [x, y] = [ctx.symbolOf(0), ctx.result];
  const [own, atL] = [at(x, k, ...position), at(x, "l", ...position)];
  const operands = [values[k], largest, total];
  const steps = [
    ctx.listed("m", `max_{l} ${atL}`, values, ", ", largest),
    ctx.listed("S", `Σ_{l} e^{${atL} − m}`, powers, " + ", total),
    ctx.calculation(at(y, k, ...position), `e^{${own} − m} / S`, "e^{{} − {}} / {}", operands, powers[k] / total),
  ];
  const [symbols, here] = forms(ctx).map(
    ([index, ...place]) =>
      `${at(y, index, ...place)} = e^{${at(x, index, ...place)}} / Σ_{l} e^{${at(x, "l", ...place)}}`,
  );
  return { words: ctx.sentences(), symbols, here, steps, sources: sources.map((index) => ctx.cell(0, index)) };
}

/** dx[k] = Σ_l dy[l] · y[l] (δ_kl − y[k]), at the entry's position @param {CellContext} ctx @returns {Derivation} */
export function softmax_dx(ctx) {
  const [k, ...position] = ctx.own;
  const [dy, y] = [ctx.symbolOf(0), ctx.symbolOf(1)];
  const own = ctx.number(1, [k, ...position]);
  const terms = rowOf(ctx, 1).map((index, l) =>
    term(ctx.factor(0, index), ctx.factor(1, index), {
      name: `(δ − ${at(y, k, ...position)})`,
      cell: null,
      value: (l === k ? 1 : 0) - own,
      why: "",
    }),
  );
  const [symbols, here] = forms(ctx).map(
    ([index, ...place]) =>
      `${at(ctx.result, index, ...place)} = Σ_{l} ${at(dy, "l", ...place)} · ${at(y, "l", ...place)} · ` +
      `(δ[l,${index}] − ${at(y, index, ...place)})`,
  );
  return { words: ctx.sentences(), symbols, here, terms };
}

/** Returns the indices of all classes at the entry's position. @param {CellContext} ctx @param {number} read */
function rowOf(ctx, read) {
  const [, ...position] = ctx.own;
  return Array.from({ length: ctx.tensor(read).shape[0] }, (_, l) => [l, ...position]);
}

/**
 * Returns the entry's indices, first as letters and then as numbers.
 *
 * @param {CellContext} ctx @returns {(string | number)[][]}
 */
function forms(ctx) {
  return [["k", ...letters(ctx.own.length).slice(1)], ctx.own];
}
