/**
 * The bias and its gradient, explained. Equations: engine/bias.js.
 *
 * @typedef {import("./site.js").Site} Site
 * @typedef {import("./made.js").Made} Made
 * @typedef {import("./notation.js").Index} Index
 */

import { at, summed } from "./notation.js";
import { term } from "./site.js";

/** y[o,i,j] = x[o,i,j] + b[o], or + b[o,i,j] @param {Site} site @returns {Made} */
export function add_bias(site) {
  const untied = site.array(1).shape.length === site.own.length;
  const bias = untied ? site.own : site.own.slice(0, 1);
  const terms = [term(site.factor(0, site.own)), term(site.factor(1, bias))];
  const [symbols, here] = [names(site), site.own].map((/** @type {Index[]} */ index) => {
    const own = untied ? index : index.slice(0, 1);
    return `${at(site.result, ...index)} = ${at(site.called(0), ...index)} + ${at(site.called(1), ...own)}`;
  });
  const words = `The sum of products, and the bias of ${untied ? "this position" : "this channel"}.`;
  return { words, symbols, here, terms };
}

/** db[o] = Σ_{i,j} dy[o,i,j], untied db[o,i,j] = dy[o,i,j] @param {Site} site @returns {Made} */
export function bias_gradient(site) {
  const rest = site.attributes.untied ? [] : site.array(0).shape.slice(1);
  const over = rest.length ? ["i", "j"] : [];
  const terms = [];
  if (!rest.length) terms.push(term(site.factor(0, site.own)));
  for (let i = 0; i < (rest[0] ?? 0); i += 1) {
    for (let j = 0; j < rest[1]; j += 1) terms.push(term(site.factor(0, [...site.own, i, j])));
  }
  const [symbols, here] = [names(site), site.own].map(
    (/** @type {Index[]} */ index) =>
      `${at(site.result, ...index)} = ${summed(...over)}${at(site.called(0), ...index, ...over)}`,
  );
  const words = rest.length
    ? "This bias is added at every position of its channel, so the gradients of all of them are added up."
    : `This bias is added to an output of ${site.layer}, so its gradient is that of the output.`;
  return { words, symbols, here, terms };
}

/** @param {Site} site @returns {Index[]} */
function names(site) {
  return ["o", "i", "j"].slice(0, site.own.length);
}
