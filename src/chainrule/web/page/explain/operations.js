/**
 * What explains which operation.
 *
 * @typedef {import("./site.js").Site} Site
 * @typedef {import("./made.js").Made} Made
 */

import * as functions from "../engine/activations.js";
import { activation, activation_dx, softmax, softmax_dx } from "./activations.js";
import { dropout } from "./dropout.js";
import { sumOfProducts } from "./equations.js";
import * as losses from "./losses.js";
import { batch_norm, batch_norm_dw, batch_norm_dx, running_statistics } from "./normalization.js";
import { average_pool, average_pool_dx, max_pool, max_pool_dx } from "./pooling.js";

/** The operations of each element by itself: those of their file that have a gradient, but for softmax. */
const ACTIVATIONS = Object.keys(functions).filter((name) => name !== "softmax" && `${name}_dx` in functions);

/**
 * What explains an operation: its equation where it has one, else a function of its own.
 *
 * @param {Site} site @returns {Made}
 */
export function explained(site) {
  const { name } = site.operation;
  return site.trace.description.operations[name]?.parsed ? sumOfProducts(site) : EXPLAINERS[name](site);
}

/** @type {Record<string, (site: Site) => Made>} */
const EXPLAINERS = {
  max_pool,
  max_pool_dx,
  average_pool,
  average_pool_dx,
  ...Object.fromEntries(ACTIVATIONS.map((name) => [name, activation])),
  ...Object.fromEntries(ACTIVATIONS.map((name) => [`${name}_dx`, activation_dx])),
  softmax,
  softmax_dx,
  dropout,
  batch_norm,
  batch_norm_dx,
  batch_norm_dw,
  running_statistics,
  ...losses,
};
