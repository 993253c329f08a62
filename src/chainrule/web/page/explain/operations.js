/**
 * Selects the function that explains an operation.
 *
 * @typedef {import("./cell_context.js").CellContext} CellContext
 * @typedef {import("./details.js").Details} Details
 */

import { calculation } from "./calculations.js";
import { dropout } from "./dropout.js";
import * as elementwise from "./elementwise.js";
import { broadcast, broadcast_dx, crop, gather, gather_dx, pad, permute } from "./geometry.js";
import { softmax_cross_entropy_dp } from "./losses.js";
import { add, concatenate } from "./merging.js";
import { max_pool_dx } from "./pooling.js";
import { resample, resample_dx } from "./resampling.js";

/**
 * Explains an operation from its equation or formulas, if it has any, or else with its own function.
 *
 * @param {CellContext} ctx @returns {Details}
 */
export function explained(ctx) {
  const { name } = ctx.operation;
  const { operations } = ctx.trace.description;
  if (name === "add") return add(ctx);
  if (operations[name]?.slope) return elementwise.value(ctx);
  if (operations[name.replace(/_dx$/, "")]?.slope) return elementwise.gradient(ctx);
  return (EXPLAINERS[name] ?? calculation)(ctx);
}

/** @type {Record<string, (ctx: CellContext) => Details>} */
const EXPLAINERS = {
  max_pool_dx,
  dropout,
  concatenate,
  resample,
  resample_dx,
  pad,
  crop,
  permute,
  broadcast,
  broadcast_dx,
  gather,
  gather_dx,
  softmax_cross_entropy_dp,
};
