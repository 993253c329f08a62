/**
 * The gradient of softmax and cross-entropy with respect to the scores, derived in a table with the chain rule.
 *
 * @typedef {import("./cell_context.js").CellContext} CellContext
 * @typedef {import("./details.js").Details} Details
 */

import { softmax } from "../engine/reference.js";
import { ravel } from "../engine/tensor.js";
import { calculation } from "./calculations.js";

/**
 * dz[j] = ŷ[j] · Σ_k t[k] − t[j], with a table of the derivatives of all probabilities
 *
 * @param {CellContext} ctx @returns {Details}
 */
export function softmax_cross_entropy_dp(ctx) {
  return { ...calculation(ctx), jacobian: jacobian(ctx), sources: sources(ctx) };
}

/** Returns the chain rule's factors for every probability: dLoss/dŷ_k · dŷ_k/dz_j. @param {CellContext} ctx */
function jacobian(ctx) {
  const [j, ...position] = ctx.own;
  const { shape, data } = ctx.array(0);
  const batch = Number(ctx.attributes.batch ?? 1);
  const [y, t] = [softmax({ shape: [1, ...shape], data }).data, ctx.array(1).data].map((values) =>
    Array.from({ length: shape[0] }, (_, k) => values[ravel([k, ...position], shape)]),
  );
  const rows = y.map((p, k) => {
    const slope = (k === j ? 1 : 0) - y[j];
    const dp = -t[k] / Math.max(p, Number.EPSILON) / batch;
    return { k, p, t: t[k], dp, j: p * slope, product: (-t[k] * slope) / batch };
  });
  return { rows };
}

/** The target and the probability or, without a softmax layer, the target and all scores. @param {CellContext} ctx */
function sources(ctx) {
  const [j, ...position] = ctx.own;
  const { layers, entries } = ctx.catalogue;
  const softmaxOutput = `${layers[layers.length - 1]}.y`;
  if (entries.has(softmaxOutput) && softmaxOutput !== ctx.tensor(0).storage) {
    return [`${softmaxOutput}[${ctx.own.join(",")}]`, ctx.cell(1, ctx.own)];
  }
  const scores = Array.from({ length: ctx.array(0).shape[0] }, (_, k) => ctx.cell(0, [k, ...position]));
  return [...scores, ctx.cell(1, [j, ...position])];
}
