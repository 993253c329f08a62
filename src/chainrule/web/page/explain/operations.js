/**
 * Explainers of the operations.
 *
 * @typedef {import("./site.js").Site} Site
 * @typedef {import("./made.js").Made} Made
 */

import { softmax, softmax_dx } from "./activations.js";
import { dropout } from "./dropout.js";
import * as elementwise from "./elementwise.js";
import { sumOfProducts } from "./equations.js";
import * as losses from "./losses.js";
import { batch_norm, batch_norm_dw, batch_norm_dx, running_statistics } from "./normalization.js";
import { average_pool, average_pool_dx, max_pool, max_pool_dx } from "./pooling.js";

/**
 * Explain an operation from its equation or its formulas where it has them, else by a function of its own.
 *
 * @param {Site} site @returns {Made}
 */
export function explained(site) {
  const { name } = site.operation;
  const { operations } = site.trace.description;
  if (operations[name]?.parsed) return sumOfProducts(site);
  if (operations[name]?.slope) return elementwise.value(site);
  if (operations[name.replace(/_dx$/, "")]?.slope) return elementwise.gradient(site);
  if (operations[name]?.steps) return losses.gradient(site);
  return EXPLAINERS[name](site);
}

/** @type {Record<string, (site: Site) => Made>} */
const EXPLAINERS = {
  max_pool,
  max_pool_dx,
  average_pool,
  average_pool_dx,
  softmax,
  softmax_dx,
  dropout,
  batch_norm,
  batch_norm_dx,
  batch_norm_dw,
  running_statistics,
  ...losses,
};
