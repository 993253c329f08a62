/**
 * All operations by name: they take arrays in the order in which a plan reads them, and return results in the order in
 * which it writes them.
 * @typedef {import("../types.js").NDArray} NDArray
 * @typedef {(arrays: (NDArray | null)[], attributes: Record<string, any>) => NDArray[]} Run
 */

import * as activations from "./activations.js";
import { add_bias, bias_gradient } from "./bias.js";
import { cross_correlate, cross_correlate_dw, cross_correlate_dx } from "./convolution.js";
import { dense, dense_dw, dense_dx } from "./dense.js";
import { dropout } from "./dropout.js";
import * as losses from "./losses.js";
import * as normalization from "./normalization.js";
import { average_pool, average_pool_dx, max_pool, max_pool_dx } from "./pooling.js";
import { adam_update, momentum_update, rmsprop_update, sgd_update } from "./updates.js";

/** The function of each operation and the number of arrays it reads. @type {Record<string, [Function, number]>} */
const FUNCTIONS = {
  cross_correlate: [cross_correlate, 3],
  cross_correlate_dx: [cross_correlate_dx, 2],
  cross_correlate_dw: [cross_correlate_dw, 2],
  add_bias: [add_bias, 2],
  bias_gradient: [bias_gradient, 1],
  max_pool: [max_pool, 1],
  max_pool_dx: [max_pool_dx, 2],
  average_pool: [average_pool, 1],
  average_pool_dx: [average_pool_dx, 1],
  dense: [dense, 3],
  dense_dx: [dense_dx, 2],
  dense_dw: [dense_dw, 2],
  sigmoid: [activations.sigmoid, 1],
  sigmoid_dx: [activations.sigmoid_dx, 2],
  tanh: [activations.tanh, 1],
  tanh_dx: [activations.tanh_dx, 2],
  arctan: [activations.arctan, 1],
  arctan_dx: [activations.arctan_dx, 2],
  relu: [activations.relu, 1],
  relu_dx: [activations.relu_dx, 2],
  leaky_relu: [activations.leaky_relu, 1],
  leaky_relu_dx: [activations.leaky_relu_dx, 2],
  gelu: [activations.gelu, 1],
  gelu_dx: [activations.gelu_dx, 2],
  softmax: [activations.softmax, 1],
  softmax_dx: [activations.softmax_dx, 2],
  half_squared_error: [losses.half_squared_error, 2],
  half_squared_error_dp: [losses.half_squared_error_dp, 2],
  mean_squared_error: [losses.mean_squared_error, 2],
  mean_squared_error_dp: [losses.mean_squared_error_dp, 2],
  binary_cross_entropy: [losses.binary_cross_entropy, 2],
  binary_cross_entropy_dp: [losses.binary_cross_entropy_dp, 2],
  categorical_cross_entropy: [losses.categorical_cross_entropy, 2],
  categorical_cross_entropy_dp: [losses.categorical_cross_entropy_dp, 2],
  softmax_cross_entropy: [losses.softmax_cross_entropy, 2],
  softmax_cross_entropy_dp: [losses.softmax_cross_entropy_dp, 2],
  correct: [losses.correct, 2],
  correct_labels: [losses.correct_labels, 2],
  absolute_error: [losses.absolute_error, 2],
  batch_norm: [normalization.batch_norm, 3],
  batch_norm_dx: [normalization.batch_norm_dx, 5],
  batch_norm_dw: [normalization.batch_norm_dw, 4],
  batch_norm_inference: [normalization.batch_norm_inference, 5],
  running_statistics: [normalization.running_statistics, 4],
  dropout: [dropout, 1],
  sgd_update: [sgd_update, 2],
  momentum_update: [momentum_update, 3],
  rmsprop_update: [rmsprop_update, 4],
  adam_update: [adam_update, 4],
};

/** @type {Record<string, Run>} */
export const operations = Object.fromEntries(
  Object.entries(FUNCTIONS).map(([name, [operation, reads]]) => [name, called(operation, reads)]),
);

/**
 * Wraps an operation so that it takes its arrays as a list; arrays missing at the end (a bias) are null.
 *
 * @param {Function} operation @param {number} reads
 * @returns {Run}
 */
function called(operation, reads) {
  return (arrays, attributes) => {
    const given = Array.from({ length: reads }, (_, place) => arrays[place] ?? null);
    const results = operation(...given, attributes);
    return Array.isArray(results) ? results : [results];
  };
}
