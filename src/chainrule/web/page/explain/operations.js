/**
 * Selects the function that explains an operation.
 *
 * @typedef {import("./cell_context.js").CellContext} CellContext
 * @typedef {import("./derivation.js").Derivation} Derivation
 */

import { softmax, softmax_dx } from "./activations.js";
import { dropout } from "./dropout.js";
import * as elementwise from "./elementwise.js";
import { sumOfProducts } from "./equations.js";
import { crop, pad, permute } from "./geometry.js";
import { group_norm, group_norm_dw, group_norm_dx } from "./group_normalization.js";
import * as losses from "./losses.js";
import { add, concatenate } from "./merging.js";
import { batch_norm, batch_norm_dw, batch_norm_dx, running_statistics } from "./normalization.js";
import { average_pool, average_pool_dx, max_pool, max_pool_dx } from "./pooling.js";
import { prelu, prelu_dw, prelu_dx } from "./prelu.js";
import { local_response_norm, local_response_norm_dx } from "./response_normalization.js";
import { resample, resample_dx } from "./resampling.js";

/**
 * Explains an operation from its equation or formulas, if it has any, or else with its own function.
 *
 * @param {CellContext} ctx @returns {Derivation}
 */
export function explained(ctx) {
  const { name } = ctx.operation;
  const { operations } = ctx.trace.description;
  if (name === "add") return add(ctx);
  if (operations[name]?.parsed) return sumOfProducts(ctx);
  if (operations[name]?.slope) return elementwise.value(ctx);
  if (operations[name.replace(/_dx$/, "")]?.slope) return elementwise.gradient(ctx);
  if (operations[name]?.steps) return losses.gradient(ctx);
  return EXPLAINERS[name](ctx);
}

/** @type {Record<string, (ctx: CellContext) => Derivation>} */
const EXPLAINERS = {
  max_pool,
  max_pool_dx,
  average_pool,
  average_pool_dx,
  softmax,
  softmax_dx,
  dropout,
  concatenate,
  resample,
  resample_dx,
  pad,
  crop,
  permute,
  batch_norm,
  batch_norm_dx,
  batch_norm_dw,
  group_norm,
  group_norm_dx,
  group_norm_dw,
  running_statistics,
  prelu,
  prelu_dx,
  prelu_dw,
  local_response_norm,
  local_response_norm_dx,
  ...losses,
};
