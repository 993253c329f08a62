/**
 * Which function explains which operation.
 *
 * @typedef {import("./site.js").Site} Site
 * @typedef {import("./made.js").Made} Made
 */

import { activation, activation_dx, softmax, softmax_dx } from "./activations.js";
import { add_bias, bias_gradient } from "./bias.js";
import { cross_correlate, cross_correlate_dw, cross_correlate_dx } from "./convolution.js";
import { dense, dense_dw, dense_dx } from "./dense.js";
import { dropout } from "./dropout.js";
import * as losses from "./losses.js";
import { batch_norm, batch_norm_dw, batch_norm_dx, running_statistics } from "./normalization.js";
import { average_pool, average_pool_dx, max_pool, max_pool_dx } from "./pooling.js";

const ACTIVATIONS = ["sigmoid", "tanh", "arctan", "relu", "leaky_relu", "gelu"];

/** @type {Record<string, (site: Site) => Made>} */
export const EXPLAINERS = {
  cross_correlate,
  cross_correlate_dx,
  cross_correlate_dw,
  add_bias,
  bias_gradient,
  max_pool,
  max_pool_dx,
  average_pool,
  average_pool_dx,
  dense,
  dense_dx,
  dense_dw,
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
