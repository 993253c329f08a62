/**
 * Batch normalisation, explained. Equations: engine/normalization.js.
 *
 * @typedef {import("../types.js").Step} Step
 * @typedef {import("./site.js").Site} Site
 * @typedef {import("./made.js").Made} Made
 * @typedef {import("./notation.js").Index} Index
 */

import { sizeOf, unravel } from "../engine/tensor.js";
import { at, letters, summed } from "./notation.js";
import { bracketed } from "./numbers.js";
import { term } from "./site.js";

const HAT = "x\u0302";
const WHERE = ["i", "j"];

/**
 * y = γ·x̂ + β, x̂ = (x − μ) / √(σ² + ε); μ and σ² of the channel, over the batch
 *
 * @param {Site} site @returns {Made}
 */
export function batch_norm(site) {
  return [output, mean, variance][site.place](site);
}

/** dγ[c] = Σ dy·x̂, dβ[c] = Σ dy, over the batch @param {Site} site @returns {Made} */
export function batch_norm_dw(site) {
  const [c] = site.own;
  const scaled = site.place === 0;
  const terms = places(site, c).map((place) => {
    const normal = { name: HAT, cell: null, value: normalised(site, 1, place, 2), why: "" };
    return term(site.factor(0, place), ...(scaled ? [normal] : []));
  });
  const where = WHERE.slice(0, site.array(0).shape.length - 1);
  const [symbols, here] = ["c", c].map((k) => {
    const product = scaled ? ` · ${at(HAT, k, ...where)}` : "";
    return `${at(site.result, k)} = ${summed(...where)}${at("dy", k, ...where)}${product}`;
  });
  return { words: site.say({ scale: scaled }), symbols, here, terms, sources: scaled ? read(site, 1, c, [2, 3]) : [] };
}

/** dx = γ/√(σ² + ε) · (dy − dβ/M − x̂·dγ/M) @param {Site} site @returns {Made} */
export function batch_norm_dx(site) {
  const [c] = site.own;
  const [dy, gamma] = [site.factor(0, site.own), site.factor(2, [c])];
  const all = places(site, c);
  const size = all.length;
  let [dbeta, dgamma] = [0, 0];
  for (const place of all) {
    dbeta += site.number(0, place);
    dgamma += site.number(0, place) * normalised(site, 1, place, 3);
  }
  [dbeta, dgamma] = [dbeta / size, dgamma / size];
  const [normal, spread] = [normalised(site, 1, site.own, 3), deviation(site, 4, c)];
  const factor = gamma.value / spread;
  const left = `${bracketed(dy.value)} − ${bracketed(dbeta)} − ${bracketed(normal)}·${bracketed(dgamma)}`;
  const steps = [
    ...normalSteps(site, 1, site.own, 3),
    step("A", "Σ dy / M", `${bracketed(dbeta * size)} / ${size}`, dbeta),
    step("B", `Σ dy·${HAT} / M`, `${bracketed(dgamma * size)} / ${size}`, dgamma),
    step("G", "γ / s", `${bracketed(gamma.value)} / ${bracketed(spread)}`, factor),
    step(site.result, `G · (dy − A − ${HAT}·B)`, `${bracketed(factor)} · (${left})`, site.value),
  ];
  const [symbols, here] = [letters(site.own.length), site.own].map((/** @type {Index[]} */ index) => {
    const inner = `${at("dy", ...index)} − A − ${at(HAT, ...index)}·B`;
    return `${at(site.result, ...index)} = γ[${index[0]}] / s · (${inner})`;
  });
  const others = all.map((place) => site.cell(0, place));
  const sources = [dy.cell ?? "", gamma.cell ?? "", ...read(site, 1, c, [3, 4]), ...others];
  return { words: site.say({ values: size }), symbols, here, steps, sources };
}

/** running ← (1 − m)·running + m·batch; of the variance, m·batch·M/(M − 1) @param {Site} site @returns {Made} */
export function running_statistics(site) {
  const [c] = site.own;
  const { momentum, count } = site.attributes;
  const ofVariance = site.place === 1;
  const [fresh, old] = [site.factor(site.place, [c]), site.factor(2 + site.place, [c])];
  const rest = Math.max(count - 1, 1);
  const batch = ofVariance ? (fresh.value * count) / rest : fresh.value;
  const steps = ofVariance ? [step("u", "σ²·M / (M − 1)", `${bracketed(fresh.value)}·${count} / ${rest}`, batch)] : [];
  const share = bracketed(momentum);
  const numbers = `(1 − ${share})·${bracketed(old.value)} + ${share}·${bracketed(batch)}`;
  steps.push(step("r′", `(1 − m)·r + m·${ofVariance ? "u" : "μ"}`, numbers, site.value));
  const words = site.say({ variance: ofVariance });
  const name = site.result;
  const symbols = `${name}′[c] = (1 − m)·${name}[c] + m·${ofVariance ? "variance[c]·M / (M − 1)" : "mean[c]"}`;
  const unbiased = ofVariance ? `·${count} / ${rest}` : "";
  const here = `${name}′[${c}] = (1 − ${share})·${name}[${c}] + ${share}·${fresh.name}[${c}]${unbiased}`;
  return { words, symbols, here, steps, sources: [fresh.cell ?? "", old.cell ?? ""] };
}

/** @param {Site} site @returns {Made} */
function output(site) {
  const [c] = site.own;
  const [x, gamma, beta] = [site.factor(0, site.own), site.factor(1, [c]), site.factor(2, [c])];
  const [mu, sigma] = statistics(site, c);
  const { epsilon } = site.attributes;
  const spread = Math.sqrt(sigma + epsilon);
  const normal = (x.value - mu) / spread;
  const M = sizeOf(site.array(0).shape.slice(1));
  const shift = `${bracketed(gamma.value)}·${bracketed(normal)} + ${bracketed(beta.value)}`;
  const steps = [
    step("μ", "Σ x / M", `${bracketed(mu * M)} / ${M}`, mu),
    step("s", "√(σ² + ε)", root(sigma, epsilon), spread),
    step(HAT, "(x − μ) / s", `(${bracketed(x.value)} − ${bracketed(mu)}) / ${bracketed(spread)}`, normal),
    step(site.result, `γ·${HAT} + β`, shift, site.value),
  ];
  const [symbols, here] = [letters(site.own.length), site.own].map((/** @type {Index[]} */ index) => {
    const [k] = index;
    return `${at(site.result, ...index)} = γ[${k}] · (${at("x", ...index)} − μ[${k}]) / √(σ²[${k}] + ε) + β[${k}]`;
  });
  const words = site.say({ output: true });
  const own = [`${site.layer}.mean[${c}]`, `${site.layer}.variance[${c}]`];
  return { words, symbols, here, steps, sources: [x.cell ?? "", gamma.cell ?? "", beta.cell ?? "", ...own] };
}

/** @param {Site} site @returns {Made} */
function mean(site) {
  const [c] = site.own;
  const terms = places(site, c).map((place) => term(site.factor(0, place)));
  const where = WHERE.slice(0, site.array(0).shape.length - 1);
  const size = terms.length;
  const [symbols, here] = [["c", "M"], [c, size]].map(
    ([k, many]) => `${at(site.result, k)} = 1/${many} · ${summed(...where)}${at("x", k, ...where)}`,
  );
  const words = site.say({ mean: true, values: size });
  return { words, symbols, here, terms, scale: { symbols: `1/${size}`, value: 1 / size } };
}

/** @param {Site} site @returns {Made} */
function variance(site) {
  const [c] = site.own;
  const [mu] = statistics(site, c);
  const all = places(site, c);
  const terms = all.map((place) => {
    const factor = { name: "(x − μ)", cell: null, value: site.number(0, place) - mu, why: "" };
    return term(factor, factor);
  });
  const where = WHERE.slice(0, site.array(0).shape.length - 1);
  const size = all.length;
  const [symbols, here] = [["c", "M"], [c, size]].map(
    ([k, many]) => `${at(site.result, k)} = 1/${many} · ${summed(...where)}(${at("x", k, ...where)} − μ[${k}])^{2}`,
  );
  const words = site.say({ variance: true, values: size });
  const sources = [`${site.layer}.mean[${c}]`, ...all.map((place) => site.cell(0, place))];
  return { words, symbols, here, terms, scale: { symbols: `1/${size}`, value: 1 / size }, sources };
}

/** Every entry of a channel. @param {Site} site @param {number} c */
function places(site, c) {
  const size = site.array(0).shape.slice(1);
  return Array.from({ length: sizeOf(size) }, (_, place) => [c, ...unravel(place, size)]);
}

/** Mean and variance of a channel, as the operation itself wrote them. @param {Site} site @param {number} c */
function statistics(site, c) {
  return ["mean", "variance"].map((name) => {
    const found = site.trace.values.get(`${site.layer}.${name}`);
    if (!found) throw new Error(`this trace holds no ${name} of ${site.layer}`);
    return found.data[c];
  });
}

/** @param {Site} site @param {number} variances  where the operation reads them @param {number} c */
function deviation(site, variances, c) {
  return Math.sqrt(site.number(variances, [c]) + site.attributes.epsilon);
}

/**
 * x̂ of an entry; means: where the operation reads them, followed by the variances.
 *
 * @param {Site} site @param {number} x @param {number[]} place @param {number} means
 */
function normalised(site, x, place, means) {
  const [c] = place;
  return (site.number(x, place) - site.number(means, [c])) / deviation(site, means + 1, c);
}

/** @param {Site} site @param {number} x @param {number[]} place @param {number} means */
function normalSteps(site, x, place, means) {
  const [c] = place;
  const spread = deviation(site, means + 1, c);
  const centred = `(${bracketed(site.number(x, place))} − ${bracketed(site.number(means, [c]))})`;
  return [
    step("s", "√(σ² + ε)", root(site.number(means + 1, [c]), site.attributes.epsilon), spread),
    step(HAT, "(x − μ) / s", `${centred} / ${bracketed(spread)}`, normalised(site, x, place, means)),
  ];
}

/** @param {number} sigma @param {number} epsilon */
function root(sigma, epsilon) {
  return `√(${bracketed(sigma)} + ${bracketed(epsilon)})`;
}

/**
 * Cells of the channel's x, and of its statistics.
 *
 * @param {Site} site @param {number} x @param {number} c @param {number[]} others
 */
function read(site, x, c, others) {
  return [...places(site, c).map((place) => site.cell(x, place)), ...others.map((place) => site.cell(place, [c]))];
}

/** @param {string} name @param {string} symbols @param {string} numbers @param {number} value @returns {Step} */
function step(name, symbols, numbers, value) {
  return { name, symbols, numbers, value };
}
