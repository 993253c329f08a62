/**
 * Softmax and its gradient, explained. Equations: engine/activations.js.
 *
 * @typedef {import("./site.js").Site} Site
 * @typedef {import("./made.js").Made} Made
 */

import { at } from "./notation.js";
import { bracketed, listed } from "./numbers.js";
import { term } from "./site.js";

/** y[k] = e^{x[k] − m} / Σ_l e^{x[l] − m}, m the largest x @param {Site} site @returns {Made} */
export function softmax(site) {
  const [k] = site.own;
  const values = Array.from(site.array(0).data);
  const largest = Math.max(...values);
  const powers = values.map((value) => Math.exp(value - largest));
  const total = powers.reduce((sum, power) => sum + power, 0);
  const [x, y] = [site.called(0), site.result];
  const numerator = `e^{${bracketed(values[k])} − ${bracketed(largest)}}`;
  const steps = [
    { name: "m", symbols: `max_{l} ${at(x, "l")}`, numbers: `max(${listed(values, ", ")})`, value: largest },
    { name: "S", symbols: `Σ_{l} e^{${at(x, "l")} − m}`, numbers: listed(powers, " + "), value: total },
    {
      name: at(y, k),
      symbols: `e^{${at(x, k)} − m} / S`,
      numbers: `${numerator} / ${bracketed(total)}`,
      value: powers[k] / total,
    },
  ];
  const [symbols, here] = ["k", k].map((index) => `${at(y, index)} = e^{${at(x, index)}} / Σ_{l} e^{${at(x, "l")}}`);
  return { words: site.say(), symbols, here, steps, sources: values.map((_, l) => site.cell(0, [l])) };
}

/** dx[k] = Σ_l dy[l] · y[l] (δ_kl − y[k]) @param {Site} site @returns {Made} */
export function softmax_dx(site) {
  const [k] = site.own;
  const [dy, y] = [site.called(0), site.called(1)];
  const own = site.number(1, [k]);
  const terms = Array.from(site.array(1).data, (_, l) =>
    term(site.factor(0, [l]), site.factor(1, [l]), {
      name: `(δ − ${at(y, k)})`,
      cell: null,
      value: (l === k ? 1 : 0) - own,
      why: "",
    }),
  );
  const [symbols, here] = ["k", k].map(
    (index) =>
      `${at(site.result, index)} = Σ_{l} ${at(dy, "l")} · ${at(y, "l")} · (δ[l,${index}] − ${at(y, index)})`,
  );
  return { words: site.say(), symbols, here, terms };
}
