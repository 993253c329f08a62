/**
 * Batch normalization, explained. Equations: engine/normalization.js.
 *
 * @typedef {import("../types.js").Step} Step
 * @typedef {import("./cell_context.js").CellContext} CellContext
 * @typedef {import("./derivation.js").Derivation} Derivation
 * @typedef {import("./notation.js").Index} Index
 */

import { sizeOf, unravel } from "../engine/tensor.js";
import { at, letters, sumOver } from "./notation.js";
import { term } from "./cell_context.js";

const HAT = "x\u0302";
const WHERE = ["i", "j"];

/**
 * y = γ·x̂ + β, x̂ = (x − μ) / √(σ² + ε), or a channel's μ or σ² over the batch
 *
 * @param {CellContext} ctx @returns {Derivation}
 */
export function batch_norm(ctx) {
  return [output, mean, variance][ctx.place](ctx);
}

/** dγ[c] = Σ dy·x̂, dβ[c] = Σ dy, summed over the batch @param {CellContext} ctx @returns {Derivation} */
export function batch_norm_dw(ctx) {
  const [c] = ctx.own;
  const scaled = ctx.place === 0;
  const terms = places(ctx, c).map((place) => {
    const normal = { name: HAT, cell: null, value: normalized(ctx, 1, place, 2), why: "" };
    return term(ctx.factor(0, place), ...(scaled ? [normal] : []));
  });
  const where = WHERE.slice(0, ctx.array(0).shape.length - 1);
  const [symbols, here] = ["c", c].map((k) => {
    const product = scaled ? ` · ${at(HAT, k, ...where)}` : "";
    return `${at(ctx.result, k)} = ${sumOver(...where)}${at("dy", k, ...where)}${product}`;
  });
  return { words: ctx.sentences({ scale: scaled }), symbols, here, terms, sources: scaled ? read(ctx, 1, c, [2, 3]) : [] };
}

/** dx = γ/√(σ² + ε) · (dy − dβ/M − x̂·dγ/M) @param {CellContext} ctx @returns {Derivation} */
export function batch_norm_dx(ctx) {
  const [c] = ctx.own;
  const [dy, gamma] = [ctx.factor(0, ctx.own), ctx.factor(2, [c])];
  const all = places(ctx, c);
  const size = all.length;
  let [dbeta, dgamma] = [0, 0];
  for (const place of all) {
    dbeta += ctx.number(0, place);
    dgamma += ctx.number(0, place) * normalized(ctx, 1, place, 3);
  }
  [dbeta, dgamma] = [dbeta / size, dgamma / size];
  const [normal, spread] = [normalized(ctx, 1, ctx.own, 3), deviation(ctx, 4, c)];
  const factor = gamma.value / spread;
  const operands = [factor, dy.value, dbeta, normal, dgamma];
  const steps = [
    ...normalSteps(ctx, 1, ctx.own, 3),
    ctx.calculation("A", "Σ dy / M", "{} / {}", [dbeta * size, size], dbeta),
    ctx.calculation("B", `Σ dy·${HAT} / M`, "{} / {}", [dgamma * size, size], dgamma),
    ctx.calculation("G", "γ / s", "{} / {}", [gamma.value, spread], factor),
    ctx.calculation(ctx.result, `G · (dy − A − ${HAT}·B)`, "{} · ({} − {} − {}·{})", operands, ctx.value),
  ];
  const [symbols, here] = [letters(ctx.own.length), ctx.own].map((/** @type {Index[]} */ index) => {
    const inner = `${at("dy", ...index)} − A − ${at(HAT, ...index)}·B`;
    return `${at(ctx.result, ...index)} = γ[${index[0]}] / s · (${inner})`;
  });
  const others = all.map((place) => ctx.cell(0, place));
  const sources = [dy.cell ?? "", gamma.cell ?? "", ...read(ctx, 1, c, [3, 4]), ...others];
  return { words: ctx.sentences({ values: size }), symbols, here, steps, sources };
}

/**
 * running ← (1 − m)·running + m·batch; for the variance, m·batch·M/(M − 1)
 *
 * @param {CellContext} ctx @returns {Derivation}
 */
export function running_statistics(ctx) {
  const [c] = ctx.own;
  const { momentum, count } = ctx.attributes;
  const ofVariance = ctx.place === 1;
  const [fresh, old] = [ctx.factor(ctx.place, [c]), ctx.factor(2 + ctx.place, [c])];
  const rest = Math.max(count - 1, 1);
  const batch = ofVariance ? (fresh.value * count) / rest : fresh.value;
  const operands = [momentum, old.value, momentum, batch];
  const steps = [
    ...(ofVariance ? [ctx.calculation("u", "σ²·M / (M − 1)", "{}·{} / {}", [fresh.value, count, rest], batch)] : []),
    ctx.calculation("r′", `(1 − m)·r + m·${ofVariance ? "u" : "μ"}`, "(1 − {})·{} + {}·{}", operands, ctx.value),
  ];
  const share = ctx.operand(momentum);
  const words = ctx.sentences({ variance: ofVariance });
  const name = ctx.result;
  const symbols = `${name}′[c] = (1 − m)·${name}[c] + m·${ofVariance ? "variance[c]·M / (M − 1)" : "mean[c]"}`;
  const unbiased = ofVariance ? `·${count} / ${rest}` : "";
  const here = `${name}′[${c}] = (1 − ${share})·${name}[${c}] + ${share}·${fresh.name}[${c}]${unbiased}`;
  return { words, symbols, here, steps, sources: [fresh.cell ?? "", old.cell ?? ""] };
}

/** @param {CellContext} ctx @returns {Derivation} */
function output(ctx) {
  const [c] = ctx.own;
  const [x, gamma, beta] = [ctx.factor(0, ctx.own), ctx.factor(1, [c]), ctx.factor(2, [c])];
  const [mu, sigma] = statistics(ctx, c);
  const { epsilon } = ctx.attributes;
  const spread = Math.sqrt(sigma + epsilon);
  const normal = (x.value - mu) / spread;
  const M = sizeOf(ctx.array(0).shape.slice(1));
  const steps = [
    ctx.calculation("μ", "Σ x / M", "{} / {}", [mu * M, M], mu),
    ctx.calculation("s", "√(σ² + ε)", "√({} + {})", [sigma, epsilon], spread),
    ctx.calculation(HAT, "(x − μ) / s", "({} − {}) / {}", [x.value, mu, spread], normal),
    ctx.calculation(ctx.result, `γ·${HAT} + β`, "{}·{} + {}", [gamma.value, normal, beta.value], ctx.value),
  ];
  const [symbols, here] = [letters(ctx.own.length), ctx.own].map((/** @type {Index[]} */ index) => {
    const [k] = index;
    return `${at(ctx.result, ...index)} = γ[${k}] · (${at("x", ...index)} − μ[${k}]) / √(σ²[${k}] + ε) + β[${k}]`;
  });
  const words = ctx.sentences({ output: true });
  const own = [`${ctx.layer}.mean[${c}]`, `${ctx.layer}.variance[${c}]`];
  return { words, symbols, here, steps, sources: [x.cell ?? "", gamma.cell ?? "", beta.cell ?? "", ...own] };
}

/** @param {CellContext} ctx @returns {Derivation} */
function mean(ctx) {
  const [c] = ctx.own;
  const terms = places(ctx, c).map((place) => term(ctx.factor(0, place)));
  const where = WHERE.slice(0, ctx.array(0).shape.length - 1);
  const size = terms.length;
  const [symbols, here] = [["c", "M"], [c, size]].map(
    ([k, many]) => `${at(ctx.result, k)} = 1/${many} · ${sumOver(...where)}${at("x", k, ...where)}`,
  );
  const words = ctx.sentences({ mean: true, values: size });
  return { words, symbols, here, terms, scale: { symbols: `1/${size}`, value: 1 / size } };
}

/** @param {CellContext} ctx @returns {Derivation} */
function variance(ctx) {
  const [c] = ctx.own;
  const [mu] = statistics(ctx, c);
  const all = places(ctx, c);
  const terms = all.map((place) => {
    const factor = { name: "(x − μ)", cell: null, value: ctx.number(0, place) - mu, why: "" };
    return term(factor, factor);
  });
  const where = WHERE.slice(0, ctx.array(0).shape.length - 1);
  const size = all.length;
  const [symbols, here] = [["c", "M"], [c, size]].map(
    ([k, many]) => `${at(ctx.result, k)} = 1/${many} · ${sumOver(...where)}(${at("x", k, ...where)} − μ[${k}])^{2}`,
  );
  const words = ctx.sentences({ variance: true, values: size });
  const sources = [`${ctx.layer}.mean[${c}]`, ...all.map((place) => ctx.cell(0, place))];
  return { words, symbols, here, terms, scale: { symbols: `1/${size}`, value: 1 / size }, sources };
}

/** Returns all indices of a channel. @param {CellContext} ctx @param {number} c */
function places(ctx, c) {
  const size = ctx.array(0).shape.slice(1);
  return Array.from({ length: sizeOf(size) }, (_, place) => [c, ...unravel(place, size)]);
}

/** Mean and variance of a channel, as computed by the operation. @param {CellContext} ctx @param {number} c */
function statistics(ctx, c) {
  return ["mean", "variance"].map((name) => {
    const statistic = ctx.trace.values.get(`${ctx.layer}.${name}`);
    if (!statistic) throw new Error(`this trace holds no ${name} of ${ctx.layer}`);
    return statistic.data[c];
  });
}

/** @param {CellContext} ctx @param {number} variances  their position among the inputs @param {number} c */
function deviation(ctx, variances, c) {
  return Math.sqrt(ctx.number(variances, [c]) + ctx.attributes.epsilon);
}

/**
 * Returns x̂ of an entry; `means` is the position of the means among the inputs, and the variances follow.
 *
 * @param {CellContext} ctx @param {number} x @param {number[]} place @param {number} means
 */
function normalized(ctx, x, place, means) {
  const [c] = place;
  return (ctx.number(x, place) - ctx.number(means, [c])) / deviation(ctx, means + 1, c);
}

/** @param {CellContext} ctx @param {number} x @param {number[]} place @param {number} means */
function normalSteps(ctx, x, place, means) {
  const [c] = place;
  const spread = deviation(ctx, means + 1, c);
  const variances = [ctx.number(means + 1, [c]), ctx.attributes.epsilon];
  const operands = [ctx.number(x, place), ctx.number(means, [c]), spread];
  return [
    ctx.calculation("s", "√(σ² + ε)", "√({} + {})", variances, spread),
    ctx.calculation(HAT, "(x − μ) / s", "({} − {}) / {}", operands, normalized(ctx, x, place, means)),
  ];
}

/**
 * Returns the cells of x in a channel, and those of the channel's statistics.
 *
 * @param {CellContext} ctx @param {number} x @param {number} c @param {number[]} others
 */
function read(ctx, x, c, others) {
  return [...places(ctx, c).map((place) => ctx.cell(x, place)), ...others.map((place) => ctx.cell(place, [c]))];
}
