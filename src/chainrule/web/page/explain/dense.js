/**
 * The dense layer and its gradients, explained. Equations: engine/dense.js.
 *
 * @typedef {import("./site.js").Site} Site
 * @typedef {import("./made.js").Made} Made
 */

import { at } from "./notation.js";
import { term } from "./site.js";

/** y[o] = b[o] + Σ_c w[o,c] · x[c] @param {Site} site @returns {Made} */
export function dense(site) {
  const [o] = site.own;
  const bias = site.reads(2);
  const terms = bias ? [term(site.factor(2, [o]))] : [];
  for (let c = 0; c < site.array(0).shape[0]; c += 1) terms.push(term(site.factor(1, [o, c]), site.factor(0, [c])));
  const [symbols, here] = ["o", o].map((k) => {
    const added = bias ? `${at(site.called(2), k)} + ` : "";
    return `${at(site.result, k)} = ${added}Σ_{c} ${at(site.called(1), k, "c")} · ${at(site.called(0), "c")}`;
  });
  const ending = bias ? "; then the bias is added." : ".";
  const words = `Every input of ${site.layer} times its weight to this output, all added up${ending}`;
  return { words, symbols, here, terms };
}

/** dx[c] = Σ_o dy[o] · w[o,c] @param {Site} site @returns {Made} */
export function dense_dx(site) {
  const [c] = site.own;
  const terms = [];
  for (let o = 0; o < site.array(0).shape[0]; o += 1) terms.push(term(site.factor(0, [o]), site.factor(1, [o, c])));
  const [symbols, here] = ["c", c].map(
    (k) => `${at(site.result, k)} = Σ_{o} ${at(site.called(0), "o")} · ${at(site.called(1), "o", k)}`,
  );
  const words =
    `This number goes into every output of ${site.layer}: each sends its gradient back through the weight between ` +
    "them, and all are added up.";
  return { words, symbols, here, terms };
}

/** dw[o,c] = dy[o] · x[c] @param {Site} site @returns {Made} */
export function dense_dw(site) {
  const [o, c] = site.own;
  const terms = [term(site.factor(1, [o]), site.factor(0, [c]))];
  const [symbols, here] = [["o", "c"], [o, c]].map(
    ([k, l]) => `${at(site.result, k, l)} = ${at(site.called(1), k)} · ${at(site.called(0), l)}`,
  );
  const words =
    "A change of this weight moves its output by the input it is multiplied with, and the loss by that times the " +
    "gradient of the output.";
  return { words, symbols, here, terms };
}
