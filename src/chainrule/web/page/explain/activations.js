/**
 * The activations and their gradients, explained. Equations: engine/activations.js.
 *
 * @typedef {import("./site.js").Site} Site
 * @typedef {import("./made.js").Made} Made
 * @typedef {import("./notation.js").Index} Index
 * @typedef {(text: string) => string} Written  an equation in x, written with a letter or a number
 */

import { ravel } from "../engine/tensor.js";
import { GELU_CUBIC, GELU_SCALE } from "../engine/activations.js";
import { operations } from "../engine/operations.js";
import { at, letters } from "./notation.js";
import { bracketed, listed, shown } from "./numbers.js";
import { term } from "./site.js";

/** @type {Record<string, Written>} */
const FORWARD = {
  sigmoid: (x) => `1 / (1 + e^{−${x}})`,
  tanh: (x) => `tanh(${x})`,
  arctan: (x) => `arctan(${x})`,
  relu: (x) => `max(0, ${x})`,
  gelu: (x) => `${x}/2 · (1 + tanh(√(2/π) · (${x} + 0.044715·${power(x, 3)})))`,
};
/** In what the gradient reads: y of sigmoid, tanh and relu, x of the others. @type {Record<string, Written>} */
const SLOPES = {
  sigmoid: (y) => `${y}·(1 − ${y})`,
  tanh: (y) => `1 − ${power(y)}`,
  arctan: (x) => `1 / (1 + ${power(x)})`,
};
const KEEPS_Y = ["sigmoid", "tanh", "relu"];

/** y = f(x), entry by entry @param {Site} site @returns {Made} */
export function activation(site) {
  const x = site.factor(0, site.own);
  const write = forward(site, x.value);
  const [symbols, here] = [letters(site.own.length), site.own].map(
    (/** @type {Index[]} */ index) => `${at(site.result, ...index)} = ${write(at(site.called(0), ...index))}`,
  );
  const numbers = write(bracketed(x.value));
  const steps = [{ name: site.result, symbols: write(site.called(0)), numbers, value: site.value }];
  const curve = curveAt(site, site.operation.name, x.value);
  return { words: passed(site, x.value), symbols, here, curve, steps, sources: [x.cell ?? ""] };
}

/** dx = dy · f′(x), entry by entry @param {Site} site @returns {Made} */
export function activation_dx(site) {
  const name = site.operation.name.replace(/_dx$/, "");
  const [dy, kept] = [site.factor(0, site.own), site.factor(1, site.own)];
  const slope = slopeAt(site, name, kept.value);
  const write = slopeWritten(site, name, kept.value);
  const [dx, read] = [site.result, site.called(0)];
  const [symbols, here] = [letters(site.own.length), site.own].map(
    (/** @type {Index[]} */ index) => `${at(dx, ...index)} = ${at(read, ...index)} · f′(${at("x", ...index)})`,
  );
  const numbers = `${bracketed(dy.value)} · ${bracketed(slope)}`;
  const slopeStep = {
    name: "f′(x)",
    symbols: write(site.called(1)),
    numbers: write(bracketed(kept.value)),
    value: slope,
  };
  const steps = [
    ...(name === "gelu" ? geluSteps(kept.value, slope) : [slopeStep]),
    { name: dx, symbols: `${read} · f′(x)`, numbers, value: site.value },
  ];
  const x = before(site);
  const { called = name } = site.trace.description.operations[name];
  const kinked = name === "relu" || name === "leaky_relu";
  const facts = { called, x: shown(x), kinked, passes: slope === 1, stops: slope === 0, slope: shown(slope) };
  return {
    words: site.say(facts, "slope"),
    symbols,
    here,
    terms: [term(dy, { name: "f′(x)", cell: null, value: slope, why: "" })],
    curve: curveAt(site, name, x),
    steps,
    sources: [kept.cell ?? ""],
  };
}

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

/** @param {Site} site @param {number} x @returns {Written} */
function forward(site, x) {
  if (site.operation.name !== "leaky_relu") return FORWARD[site.operation.name];
  const { slope } = site.attributes;
  return (text) => (x <= 0 ? `${shown(slope)}·${text}` : text);
}

/**
 * The slope, in the letter or the number that the gradient reads.
 *
 * @param {Site} site @param {string} name @param {number} kept @returns {Written}
 */
function slopeWritten(site, name, kept) {
  if (name !== "relu" && name !== "leaky_relu") return SLOPES[name] ?? String;
  const low = name === "relu" ? "0" : shown(site.attributes.slope);
  const held = kept <= 0 ? low : "1";
  return (text) => (text === site.called(1) ? `1 if x > 0, else ${low}` : held);
}

/** The slope of GELU, with h = tanh(…) worked out first. @param {number} x @param {number} slope */
function geluSteps(x, slope) {
  const number = bracketed(x);
  const h = Math.tanh(GELU_SCALE * (x + GELU_CUBIC * x * x * x));
  /** @type {(h: string, x: string) => string} */
  const write = (h, x) => `(1 + ${h})/2 + ${x}/2 · (1 − ${power(h)}) · √(2/π) · (1 + 0.134145·${power(x)})`;
  /** @type {Written} */
  const inner = (x) => `tanh(√(2/π) · (${x} + 0.044715·${power(x, 3)}))`;
  return [
    { name: "h", symbols: inner("x"), numbers: inner(number), value: h },
    { name: "f′(x)", symbols: write("h", "x"), numbers: write(bracketed(h), number), value: slope },
  ];
}

/** x^{2}; a number with an exponent of its own in parentheses. @param {string} text @param {number} exponent */
function power(text, exponent = 2) {
  return text.includes("e") ? `(${text})^{${exponent}}` : `${text}^{${exponent}}`;
}

/** f′ by the engine's own gradient, for a dy of 1. @param {Site} site @param {string} name @param {number} kept */
function slopeAt(site, name, kept) {
  return operations[`${name}_dx`]([single(1), single(kept)], site.attributes)[0].data[0];
}

/** @param {Site} site @param {string} name @param {number} x */
function curveAt(site, name, x) {
  const y = operations[name]([single(x)], site.attributes)[0].data[0];
  return { function: name, x, y, slope: slopeAt(site, name, KEEPS_Y.includes(name) ? y : x) };
}

/** @param {number} value */
function single(value) {
  return { shape: [1], data: Float64Array.of(value) };
}

/** x of an activation whose gradient reads y: what the layer read. @param {Site} site */
function before(site) {
  const source = site.trace.values.get(site.catalogue.inputs.get(site.layer) ?? "");
  if (!source) throw new Error(`this trace holds no input of ${site.layer}`);
  return source.data[ravel(site.own, site.shape)];
}

/** @param {Site} site @param {number} x */
function passed(site, x) {
  return site.say({ x: shown(x), positive: x > 0, slope: shown(site.attributes.slope ?? 0) });
}
