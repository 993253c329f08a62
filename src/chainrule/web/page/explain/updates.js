/**
 * The optimizers' updates, explained. Equations: engine/updates.js.
 *
 * @typedef {import("../types.js").Trace} Trace
 * @typedef {import("../types.js").Step} Step
 * @typedef {import("./made.js").Made} Made
 * @typedef {{
 *   letter: string, value: number, gradient: number, moments: Record<string, number>, after: number,
 *   scale: number, norm: number, clip: number, rate: number, attributes: Record<string, any>,
 * }} Entry  one parameter's number before and after, its gradient as it came, and what the step is taken with
 */

import { gradientName } from "../engine/interpreter.js";
import { ravel } from "../engine/tensor.js";
import { clippingOf } from "../engine/trace.js";
import { named } from "./naming.js";
import { letters } from "./notation.js";
import { bracketed, powered, shown } from "./numbers.js";

/** @type {Record<string, {steps: (entry: Entry) => Step[], formula: string, words: string}>} */
const RULES = {
  sgd_update: { steps: sgd, formula: "rate · g", words: "The step is the gradient times the rate." },
  momentum_update: {
    steps: momentum,
    formula: "rate · v′",
    words: "The step goes along a velocity, in which the gradients of the steps before still count.",
  },
  rmsprop_update: {
    steps: rmsprop,
    formula: "rate · u′",
    words:
      "RMSProp divides the gradient by the root of its running square: steps are about as long where gradients are " +
      "small as where they are large.",
  },
  own_update: {
    steps: own,
    formula: "Δ",
    words: "The step is that of somebody's own optimizer, whose code is not looked into.",
  },
  adam_update: {
    steps: adam,
    formula: "rate · m̂ / (√(v̂) + ε)",
    words:
      "Adam steps by the running mean of the gradient over the root of its running square: about the rate where the " +
      "gradients of many steps agree, however small they are, and less where they do not.",
  },
};

/** How a parameter moved. @param {Trace} trace @param {string} tensor @param {number[]} index @returns {Made} */
export function update(trace, tensor, index) {
  const { description, frame } = trace;
  const { optimizer, recipe } = description;
  const parameter = tensor.slice(0, -".update".length);
  const cells = [parameter, gradientName(parameter), ...optimizer.moments.map((name) => `${parameter}.${name}`)];
  const [value, gradient, ...moments] = cells.map((name) => numberAt(trace, name, index));
  const entry = {
    letter: parameter.slice(parameter.lastIndexOf(".") + 1),
    value,
    gradient,
    moments: Object.fromEntries(optimizer.moments.map((name, place) => [name, moments[place]])),
    after: numberAt(trace, tensor, index),
    ...clippingOf(trace),
    clip: recipe.clip_norm ?? 0,
    rate: frame.rate,
    attributes: { ...optimizer.attributes, step: frame.step + 1 },
  };
  const rule = RULES[optimizer.operation];
  const [symbols, here] = equations(entry, optimizer.operation, rule.formula, index);
  const steps = [...gradientSteps(entry), ...rule.steps(entry)];
  return { words: words(entry, rule.words), symbols, here, steps, sources: cells.map((name) => named(name, index)) };
}

/** @param {Entry} entry @returns {Step[]} */
function sgd(entry) {
  const { name, value, steps } = slope(entry);
  return [...steps, last(entry, `rate · ${name}`, `${bracketed(entry.rate)}·${bracketed(value)}`)];
}

/** @param {Entry} entry @returns {Step[]} */
function momentum(entry) {
  const { momentum: mu, nesterov } = entry.attributes;
  const { name: g, value, steps: before } = slope(entry);
  const v = mu * entry.moments.v + value;
  const numbers = `${bracketed(mu)}·${bracketed(entry.moments.v)} + ${bracketed(value)}`;
  const steps = [...before, { name: "v′", symbols: `μ·v + ${g}`, numbers, value: v }];
  let [direction, name] = [v, "v′"];
  if (nesterov) {
    [direction, name] = [value + mu * v, "a"];
    const sum = `${bracketed(value)} + ${bracketed(mu)}·${bracketed(v)}`;
    steps.push({ name, symbols: `${g} + μ·v′`, numbers: sum, value: direction });
  }
  return [...steps, last(entry, `rate · ${name}`, `${bracketed(entry.rate)}·${bracketed(direction)}`)];
}

/** @param {Entry} entry @returns {Step[]} */
function rmsprop(entry) {
  const { alpha, epsilon, momentum: mu } = entry.attributes;
  const { name: g, value, steps: before } = slope(entry);
  const v = alpha * entry.moments.v + (1 - alpha) * value * value;
  const ratio = value / (Math.sqrt(v) + epsilon);
  const [rate, share] = [bracketed(entry.rate), bracketed(alpha)];
  const steps = [
    ...before,
    {
      name: "v′",
      symbols: `α·v + (1 − α)·${g}^{2}`,
      numbers: `${share}·${bracketed(entry.moments.v)} + (1 − ${share})·${powered(value, "2")}`,
      value: v,
    },
    {
      name: "q",
      symbols: `${g} / (√(v′) + ε)`,
      numbers: `${bracketed(value)} / (√(${bracketed(v)}) + ${bracketed(epsilon)})`,
      value: ratio,
    },
  ];
  if (!mu) return [...steps, last(entry, "rate · q", `${rate}·${bracketed(ratio)}`)];
  const u = mu * entry.moments.u + ratio;
  const numbers = `${bracketed(mu)}·${bracketed(entry.moments.u)} + ${bracketed(ratio)}`;
  return [
    ...steps,
    { name: "u′", symbols: "μ·u + q", numbers, value: u },
    last(entry, "rate · u′", `${rate}·${bracketed(u)}`),
  ];
}

/** @param {Entry} entry @returns {Step[]} */
function own(entry) {
  return [last(entry, "Δ", bracketed(entry.value - entry.after))];
}

/** @param {Entry} entry @returns {Step[]} */
function adam(entry) {
  const { beta1, beta2, step: t, epsilon, decay } = entry.attributes;
  const [g, rate, p] = [clipped(entry), entry.rate, entry.letter];
  const m = beta1 * entry.moments.m + (1 - beta1) * g;
  const v = beta2 * entry.moments.v + (1 - beta2) * g * g;
  const [mean, square] = [m / (1 - beta1 ** t), v / (1 - beta2 ** t)];
  const delta = (rate * mean) / (Math.sqrt(square) + epsilon);
  const [one, two] = [bracketed(beta1), bracketed(beta2)];
  const [oldM, oldV] = [bracketed(entry.moments.m), bracketed(entry.moments.v)];
  const quotient = `${bracketed(rate)}·${bracketed(mean)} / (√(${bracketed(square)}) + ${bracketed(epsilon)})`;
  const steps = [
    { name: "m′", symbols: "β₁·m + (1 − β₁)·g", numbers: `${one}·${oldM} + (1 − ${one})·${bracketed(g)}`, value: m },
    {
      name: "v′",
      symbols: "β₂·v + (1 − β₂)·g^{2}",
      numbers: `${two}·${oldV} + (1 − ${two})·${powered(g, "2")}`,
      value: v,
    },
    { name: "m̂", symbols: "m′ / (1 − β₁^{t})", numbers: `${bracketed(m)} / (1 − ${one}^{${t}})`, value: mean },
    { name: "v̂", symbols: "v′ / (1 − β₂^{t})", numbers: `${bracketed(v)} / (1 − ${two}^{${t}})`, value: square },
    { name: "Δ", symbols: "rate · m̂ / (√(v̂) + ε)", numbers: quotient, value: delta },
  ];
  if (!decay) return [...steps, last(entry, "Δ", bracketed(delta))];
  const shrunk = (1 - rate * decay) * entry.value;
  const numbers = `(1 − ${bracketed(rate)}·${bracketed(decay)})·${bracketed(entry.value)}`;
  steps.push({ name: "q", symbols: `(1 − rate·λ)·${p}`, numbers, value: shrunk });
  const difference = `${bracketed(shrunk)} − ${bracketed(delta)}`;
  return [...steps, { name: `${p}′`, symbols: "q − Δ", numbers: difference, value: entry.after }];
}

/** The gradient as the update reads it. @param {Entry} entry */
function clipped(entry) {
  return entry.gradient * entry.scale;
}

/**
 * Letter and value of the gradient, that of the decay added where there is one, and the step that adds it.
 *
 * @param {Entry} entry @returns {{name: string, value: number, steps: Step[]}}
 */
function slope(entry) {
  const { decay } = entry.attributes;
  const g = clipped(entry);
  if (!decay) return { name: "g", value: g, steps: [] };
  const value = g + decay * entry.value;
  const numbers = `${bracketed(g)} + ${bracketed(decay)}·${bracketed(entry.value)}`;
  return { name: "h", value, steps: [{ name: "h", symbols: `g + λ·${entry.letter}`, numbers, value }] };
}

/** g, after clipping where the whole gradient was too long. @param {Entry} entry @returns {Step[]} */
function gradientSteps(entry) {
  const d = `d${entry.letter}`;
  const { gradient, scale, norm, clip } = entry;
  if (scale === 1) return [{ name: "g", symbols: d, numbers: shown(gradient), value: gradient }];
  const norms = `${bracketed(clip)} / (${bracketed(norm)} + ${bracketed(1e-6)})`;
  const product = `${bracketed(scale)}·${bracketed(gradient)}`;
  return [
    { name: "κ", symbols: "clip / (‖g‖ + 10^{−6})", numbers: norms, value: scale },
    { name: "g", symbols: `κ·${d}`, numbers: product, value: clipped(entry) },
  ];
}

/** @param {Entry} entry @param {string} symbols @param {string} numbers @returns {Step} */
function last({ letter: p, value, after }, symbols, numbers) {
  return { name: `${p}′`, symbols: `${p} − ${symbols}`, numbers: `${bracketed(value)} − ${numbers}`, value: after };
}

/**
 * p′ = p − …, in letters and for this entry.
 *
 * @param {Entry} entry @param {string} operation @param {string} rule @param {number[]} index
 */
function equations({ letter: p, attributes }, operation, rule, index) {
  const [{ decay, nesterov }, adam] = [attributes, operation === "adam_update"];
  let formula = nesterov ? "rate · (g + μ·v′)" : rule;
  if (operation === "rmsprop_update" && !attributes.momentum) formula = "rate · q";
  if (decay && !adam) formula = formula.replace("g", "h");
  const shrink = decay && adam ? "(1 − rate·λ)·" : "";
  return [letters(index.length), index].map((at) => `${p}′[${at}] = ${shrink}${p}[${at}] − ${formula}`);
}

/** @param {Entry} entry @param {string} rule */
function words({ value, gradient, after }, rule) {
  const change = after - value;
  if (change === 0) return `It stays as it is: nothing moves it in this step. ${rule}`;
  const way = change < 0 ? "falls" : "rises";
  const by = shown(Math.abs(change));
  if (gradient === 0) {
    return `It ${way} by ${by} although its gradient is 0: what the optimizer remembers moves it. ${rule}`;
  }
  const more = gradient > 0 ? "raise" : "lower";
  const says = `The gradient, ${shown(gradient)}, says that more of it would ${more} the loss`;
  if (gradient > 0 === change < 0) return `${says}, so it ${way}, by ${by}. ${rule}`;
  return `${says}; but it ${way}, by ${by}: what the optimizer remembers of other steps is stronger. ${rule}`;
}

/** @param {Trace} trace @param {string} name @param {number[]} index */
function numberAt(trace, name, index) {
  const array = trace.values.get(name);
  if (!array) throw new Error(`this trace holds no ${name}`);
  return array.data[ravel(index, array.shape)];
}
