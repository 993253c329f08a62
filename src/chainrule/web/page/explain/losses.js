/**
 * The losses and the gradients of their mean, explained. Equations: engine/losses.js.
 *
 * @typedef {import("../types.js").Factor} Factor
 * @typedef {import("../types.js").Step} Step
 * @typedef {import("./cell_context.js").CellContext} CellContext
 * @typedef {import("./derivation.js").Derivation} Derivation
 * @typedef {import("./notation.js").Index} Index
 */

import { clipped, huberOf, placeOfLargest, sameSide } from "../engine/losses.js";
import { chain, inLetters, inNumbers } from "./formulas.js";
import { at } from "./notation.js";
import { term } from "./cell_context.js";
import { holds } from "./words.js";

const EPSILON = Number.EPSILON;
/** Letters in formulas that carry an index. */
const OF_ENTRY = ["p", "t", "p̂"];

/** loss = 1/2 · Σ_k (p[k] − t[k])² @param {CellContext} ctx @returns {Derivation} */
export function half_squared_error(ctx) {
  return squared(ctx, "1/2", { symbols: "1/2", value: 0.5 });
}

/** loss = 1/K · Σ_k (p[k] − t[k])² @param {CellContext} ctx @returns {Derivation} */
export function mean_squared_error(ctx) {
  const K = ctx.array(0).shape[0];
  return squared(ctx, "1/K", { symbols: `1/${K}`, value: 1 / K });
}

/** 1/K · Σ_k abs(p[k] − t[k]) @param {CellContext} ctx @returns {Derivation} */
export function mean_absolute_error(ctx) {
  return meanOf(ctx, "abs", Math.abs);
}

/** 1/K · Σ_k h(p[k] − t[k]) @param {CellContext} ctx @returns {Derivation} */
export function huber(ctx) {
  return meanOf(ctx, "h", huberOf);
}

/** loss = −1/K · Σ_k t[k]·log p̂[k] + (1 − t[k])·log(1 − p̂[k]) @param {CellContext} ctx @returns {Derivation} */
export function binary_cross_entropy(ctx) {
  const { p, t } = rows(ctx);
  const terms = p.flatMap((value, k) => {
    const q = clipped(value, EPSILON, 1 - EPSILON);
    const [yes, no] = [factor(`log(p̂[${k}])`, Math.log(q)), factor(`log(1 − p̂[${k}])`, Math.log(1 - q))];
    return [term(ctx.factor(1, [k]), yes), term(factor(`(1 − t[${k}])`, 1 - t[k]), no)];
  });
  const K = p.length;
  const [symbols, here] = ["K", K].map(
    (size) => `loss = −1/${size} · Σ_{k} (t[k]·log(p̂[k]) + (1 − t[k])·log(1 − p̂[k]))`,
  );
  return { words: ctx.sentences(), symbols, here, terms, scale: { symbols: `−1/${K}`, value: -1 / K }, sources: cells(ctx, 0) };
}

/** loss = −Σ_k t[k]·log p̂[k] @param {CellContext} ctx @returns {Derivation} */
export function categorical_cross_entropy(ctx) {
  const terms = rows(ctx).p.map((value, k) =>
    term(ctx.factor(1, [k]), factor(`log(p̂[${k}])`, Math.log(clipped(value, EPSILON, 1)))),
  );
  const symbols = "loss = −Σ_{k} t[k]·log(p̂[k])";
  const scale = { symbols: "−1", value: -1 };
  return { words: ctx.sentences(), symbols, here: symbols, terms, scale, sources: cells(ctx, 0) };
}

/** loss = Σ_k t[k]·(lse − z[k]), lse = log Σ_k e^{z[k]} @param {CellContext} ctx @returns {Derivation} */
export function softmax_cross_entropy(ctx) {
  const { p: z, t } = rows(ctx);
  const { m, powers, total } = powersOf(z);
  const logarithm = Math.log(total);
  const right = oneHot(t);
  const parts = t.map((share, k) => share * (logarithm + m - z[k]));
  const steps = [
    ...sumSteps(ctx, z, m, powers, total),
    ctx.calculation("lse", "m + log(S)", "{} + log({})", [m, total], m + logarithm),
    right === null
      ? ctx.listed("loss", "Σ_{k} t[k]·(lse − z[k])", parts, " + ", ctx.value)
      : ctx.calculation("loss", `log(S) + (m − z[${right}])`, "log({}) + ({} − {})", [total, m, z[right]], ctx.value),
  ];
  const symbols = "loss = Σ_{k} t[k] · (lse − z[k])";
  const probability = right === null ? "" : ctx.text(powers[right] / total, 1);
  const words = ctx.sentences({ one_class: right !== null, probability });
  return { words, symbols, here: symbols, steps, sources: [...cells(ctx, 0), ...cells(ctx, 1)] };
}

/**
 * Explains a gradient that is calculated with formulas in p[k] and t[k].
 *
 * @param {CellContext} ctx @returns {Derivation}
 */
export function gradient(ctx) {
  const [k] = ctx.own;
  const [p, t] = [ctx.number(0, ctx.own), ctx.number(1, ctx.own)];
  const values = { p, t, K: ctx.array(0).shape[0], N: 1, "ε": EPSILON };
  const formulas = ctx.trace.description.operations[ctx.operation.name].steps ?? [];
  const [letters, own] = ["k", k].map((index) => Object.fromEntries(OF_ENTRY.map((letter) => [letter, at(letter, index)])));
  const steps = chain(formulas, values, { batch: false }, { ...letters }, { digits: ctx.digits, last: ctx.value });
  const last = formulas.filter((formula) => holds(formula, { batch: false })).slice(-1)[0];
  steps[steps.length - 1].name = `dp[${k}]`;
  return {
    words: ctx.sentences(),
    symbols: `${at("dp", "k")} = ${inLetters(last, letters)}`,
    here: `${at("dp", k)} = ${inNumbers(last, values, own, ctx.digits)}`,
    steps,
    sources: [ctx.cell(0, [k]), ctx.cell(1, [k])],
  };
}

/** dz[j] = ŷ[j] · Σ_k t[k] − t[j], and ŷ[j] − t[j] for a one-hot target @param {CellContext} ctx @returns {Derivation} */
export function softmax_cross_entropy_dp(ctx) {
  const { p: z, t } = rows(ctx);
  const [j] = ctx.own;
  const { m, powers, total } = powersOf(z);
  const y = powers.map((power) => power / total);
  const whole = oneHot(t) !== null;
  const sum = t.reduce((so, share) => so + share, 0);
  const steps = [
    ...sumSteps(ctx, z, m, powers, total),
    ctx.calculation(`ŷ[${j}]`, `e^{z[${j}] − m} / S`, "e^{{} − {}} / {}", [z[j], m, total], y[j]),
    ...(whole ? [] : [ctx.listed("T", "Σ_{k} t[k]", t, " + ", sum)]),
    whole
      ? ctx.calculation(`dz[${j}]`, "ŷ[j] − t[j]", "{} − {}", [y[j], t[j]], ctx.value)
      : ctx.calculation(`dz[${j}]`, "ŷ[j]·T − t[j]", "{}·{} − {}", [y[j], sum, t[j]], ctx.value),
  ];
  const times = whole ? "" : " · Σ_{k} t[k]";
  const [symbols, here] = ["j", j].map((k) => `dz[${k}] = ŷ[${k}]${times} − t[${k}]`);
  return { words: ctx.sentences(), symbols, here, steps, jacobian: jacobian(y, t, j), sources: readByGradient(ctx, j) };
}

/** 1 if the maxima of p and t are at the same index, else 0 @param {CellContext} ctx @returns {Derivation} */
export function correct(ctx) {
  const { p, t } = rows(ctx);
  const [answer, truth] = [p, t].map((row) => placeOfLargest(Float64Array.from(row), 0, row.length));
  const steps = [
    step("answer", "argmax_{k} p[k]", `argmax(${ctx.row(p, ", ")})`, answer, String(answer)),
    step("truth", "argmax_{k} t[k]", `argmax(${ctx.row(t, ", ")})`, truth, String(truth)),
    step("correct", "1 if answer is truth, else 0", ctx.text(ctx.value), ctx.value, ctx.text(ctx.value)),
  ];
  const symbols = "correct = (argmax_{k} p[k] = argmax_{k} t[k])";
  const words = ctx.sentences({ answer, truth, right: answer === truth });
  return { words, symbols, here: symbols, steps, sources: [...cells(ctx, 0), ...cells(ctx, 1)] };
}

/** 1/K Σ_k 1 where p[k] and t[k] are on the same side of ½ @param {CellContext} ctx @returns {Derivation} */
export function correct_labels(ctx) {
  const { p, t } = rows(ctx);
  const [outputs, right] = [p.length, p.filter((value, k) => sameSide(value, t[k])).length];
  const steps = [
    step("right", "Σ_{k} ((p[k] ≥ 0.5) = (t[k] ≥ 0.5))", String(right), right, String(right)),
    ctx.calculation("correct", "right / K", "{} / {}", [right, outputs], ctx.value),
  ];
  const [output_is_yes, target_is_yes] = [p[0], t[0]].map((value) => value >= 0.5);
  const words = ctx.sentences({ several: outputs > 1, outputs, right, output_is_yes, target_is_yes });
  const symbols = "correct = 1/K · Σ_{k} ((p[k] ≥ 0.5) = (t[k] ≥ 0.5))";
  return { words, symbols, here: symbols, steps, sources: [...cells(ctx, 0), ...cells(ctx, 1)] };
}

/**
 * 1/K Σ_k of a function of the difference p[k] − t[k]: a loss or a metric.
 *
 * @param {CellContext} ctx @param {string} written @param {(difference: number) => number} f @returns {Derivation}
 */
function meanOf(ctx, written, f) {
  const { p, t } = rows(ctx);
  const values = p.map((value, k) => f(value - t[k]));
  const total = values.reduce((sum, value) => sum + value, 0);
  const name = ctx.result === "error" ? "error" : "loss";
  const steps = [
    ctx.listed("S", `Σ_{k} ${written}(p[k] − t[k])`, values, " + ", total),
    ctx.calculation(name, "S / K", "{} / {}", [total, p.length], ctx.value),
  ];
  const symbols = `${name} = 1/K · Σ_{k} ${written}(p[k] − t[k])`;
  return { words: ctx.sentences(), symbols, here: symbols, steps, sources: [...cells(ctx, 0), ...cells(ctx, 1)] };
}

/**
 * Explains a squared error as a scaled sum of the terms (p − t)·(p − t).
 *
 * @param {CellContext} ctx @param {string} letter @param {{symbols: string, value: number}} scale
 * @returns {Derivation}
 */
function squared(ctx, letter, scale) {
  const { p, t } = rows(ctx);
  const terms = p.map((value, k) => {
    const difference = factor(`(p[${k}] − t[${k}])`, value - t[k]);
    return term(difference, difference);
  });
  const [symbols, here] = [letter, scale.symbols].map((part) => `loss = ${part} · Σ_{k} (p[k] − t[k])^{2}`);
  return { words: ctx.sentences(), symbols, here, terms, scale, sources: [...cells(ctx, 0), ...cells(ctx, 1)] };
}

/**
 * Returns the steps that calculate the maximum score and the sum of exponentials.
 *
 * @param {CellContext} ctx @param {number[]} z @param {number} m @param {number[]} powers @param {number} total
 */
function sumSteps(ctx, z, m, powers, total) {
  return [
    ctx.listed("m", "max_{k} z[k]", z, ", ", m),
    ctx.listed("S", "Σ_{k} e^{z[k] − m}", powers, " + ", total),
  ];
}

/**
 * Returns the chain rule's factors for every probability: dLoss/dŷ_k · dŷ_k/dz_j.
 *
 * @param {number[]} y @param {number[]} t @param {number} j
 */
function jacobian(y, t, j) {
  const rows = y.map((p, k) => {
    const slope = (k === j ? 1 : 0) - y[j];
    return { k, p, t: t[k], dp: -t[k] / Math.max(p, EPSILON), j: p * slope, product: -t[k] * slope };
  });
  return { rows };
}

/**
 * The probability if there is a softmax layer, else all scores; and the target.
 *
 * @param {CellContext} ctx @param {number} j
 */
function readByGradient(ctx, j) {
  const { layers, entries } = ctx.catalogue;
  const softmax = `${layers[layers.length - 1]}.y`;
  if (entries.has(softmax) && softmax !== ctx.tensor(0).storage) return [`${softmax}[${j}]`, ctx.cell(1, [j])];
  return [...cells(ctx, 0), ctx.cell(1, [j])];
}

/** Returns p and t. @param {CellContext} ctx */
function rows(ctx) {
  return { p: Array.from(ctx.array(0).data), t: Array.from(ctx.array(1).data) };
}

/** @param {number[]} z */
function powersOf(z) {
  const m = Math.max(...z);
  const powers = z.map((score) => Math.exp(score - m));
  return { m, powers, total: powers.reduce((sum, power) => sum + power, 0) };
}

/** The correct class of a one-hot target; null for other targets. @param {number[]} t */
function oneHot(t) {
  const right = t.indexOf(Math.max(...t));
  return t[right] === 1 && t.filter((share) => share !== 0).length === 1 ? right : null;
}

/** @param {CellContext} ctx @param {number} read */
function cells(ctx, read) {
  return Array.from({ length: ctx.array(read).shape[0] }, (_, k) => ctx.cell(read, [k]));
}

/** A number that is not an element of a tensor. @param {string} name @param {number} value @returns {Factor} */
function factor(name, value) {
  return { name, cell: null, value, why: "" };
}

/**
 * @param {string} name @param {string} symbols @param {string} numbers @param {number} value @param {string} shown
 * @returns {Step}
 */
function step(name, symbols, numbers, value, shown) {
  return { name, symbols, numbers, value, shown };
}
