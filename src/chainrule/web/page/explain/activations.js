/**
 * Softmax and its gradient, explained. Equations: engine/activations.js.
 *
 * @typedef {import("./cell_context.js").CellContext} CellContext
 * @typedef {import("./derivation.js").Derivation} Derivation
 */

import { at } from "./notation.js";
import { bracketed, formatList } from "./numbers.js";
import { term } from "./cell_context.js";

/** y[k] = e^{x[k] − m} / Σ_l e^{x[l] − m}, m the largest x @param {CellContext} ctx @returns {Derivation} */
export function softmax(ctx) {
  const [k] = ctx.own;
  const values = Array.from(ctx.array(0).data);
  const largest = Math.max(...values);
  const powers = values.map((value) => Math.exp(value - largest));
  const total = powers.reduce((sum, power) => sum + power, 0);
  const [x, y] = [ctx.symbolOf(0), ctx.result];
  const numerator = `e^{${bracketed(values[k])} − ${bracketed(largest)}}`;
  const steps = [
    { name: "m", symbols: `max_{l} ${at(x, "l")}`, numbers: `max(${formatList(values, ", ")})`, value: largest },
    { name: "S", symbols: `Σ_{l} e^{${at(x, "l")} − m}`, numbers: formatList(powers, " + "), value: total },
    {
      name: at(y, k),
      symbols: `e^{${at(x, k)} − m} / S`,
      numbers: `${numerator} / ${bracketed(total)}`,
      value: powers[k] / total,
    },
  ];
  const [symbols, here] = ["k", k].map((index) => `${at(y, index)} = e^{${at(x, index)}} / Σ_{l} e^{${at(x, "l")}}`);
  return { words: ctx.sentences(), symbols, here, steps, sources: values.map((_, l) => ctx.cell(0, [l])) };
}

/** dx[k] = Σ_l dy[l] · y[l] (δ_kl − y[k]) @param {CellContext} ctx @returns {Derivation} */
export function softmax_dx(ctx) {
  const [k] = ctx.own;
  const [dy, y] = [ctx.symbolOf(0), ctx.symbolOf(1)];
  const own = ctx.number(1, [k]);
  const terms = Array.from(ctx.array(1).data, (_, l) =>
    term(ctx.factor(0, [l]), ctx.factor(1, [l]), {
      name: `(δ − ${at(y, k)})`,
      cell: null,
      value: (l === k ? 1 : 0) - own,
      why: "",
    }),
  );
  const [symbols, here] = ["k", k].map(
    (index) =>
      `${at(ctx.result, index)} = Σ_{l} ${at(dy, "l")} · ${at(y, "l")} · (δ[l,${index}] − ${at(y, index)})`,
  );
  return { words: ctx.sentences(), symbols, here, terms };
}
