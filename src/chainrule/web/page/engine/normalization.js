/**
 * Batch normalization: each channel is normalized to mean 0 and variance 1 over the batch, then scaled and shifted.
 *
 * M is the number of values per channel in the batch, N·H·W (or N); sums over n, i, j include all of them.
 *
 * @typedef {import("../types.js").NDArray} NDArray
 * @typedef {{epsilon?: number}} Options
 */

import { checkChannels, checkShape, eachCell, zeros } from "./tensor.js";

/**
 * y = gamma[c] · x̂ + beta[c]        x̂ = (x − mean[c]) / √(variance[c] + ε)
 * mean[c] = 1/M Σ_{n,i,j} x[n,c,i,j],  variance[c] = 1/M Σ_{n,i,j} (x[n,c,i,j] − mean[c])²
 *
 * @param {NDArray} x  (N, C, H, W) or (N, C) @param {NDArray} gamma @param {NDArray} beta @param {Options} options
 * @returns {[NDArray, NDArray, NDArray]}  y, mean, variance
 */
export function batch_norm(x, gamma, beta, options) {
  const M = checked("batch_norm", x, { gamma, beta });
  const [mean, variance] = [zeros([x.shape[1]]), zeros([x.shape[1]])];
  eachCell(x.shape, (e, c) => {
    mean.data[c] += x.data[e] / M;
  });
  eachCell(x.shape, (e, c) => {
    variance.data[c] += ((x.data[e] - mean.data[c]) * (x.data[e] - mean.data[c])) / M;
  });
  return [batch_norm_inference(x, gamma, beta, mean, variance, options), mean, variance];
}

/**
 * dx = gamma[c] / √(variance[c] + ε) · (dy − dbeta[c]/M − x̂ · dgamma[c]/M)
 *
 * @param {NDArray} dy @param {NDArray} x @param {NDArray} gamma @param {NDArray} mean @param {NDArray} variance
 * @param {Options} options
 */
export function batch_norm_dx(dy, x, gamma, mean, variance, options) {
  const M = checked("batch_norm_dx", x, { gamma, mean, variance });
  const [dgamma, dbeta] = batch_norm_dw(dy, x, mean, variance, options);
  const deviation = deviations(variance, options);
  const dx = zeros(x.shape);
  eachCell(x.shape, (e, c) => {
    const normal = (x.data[e] - mean.data[c]) / deviation[c];
    const centered = dy.data[e] - dbeta.data[c] / M - (normal * dgamma.data[c]) / M;
    dx.data[e] = (gamma.data[c] / deviation[c]) * centered;
  });
  return dx;
}

/**
 * dgamma[c] = Σ_{n,i,j} dy[n,c,i,j] · x̂[n,c,i,j],  dbeta[c] = Σ_{n,i,j} dy[n,c,i,j]
 *
 * @param {NDArray} dy @param {NDArray} x @param {NDArray} mean @param {NDArray} variance @param {Options} options
 * @returns {[NDArray, NDArray]}
 */
export function batch_norm_dw(dy, x, mean, variance, options) {
  checked("batch_norm_dw", x, { mean, variance });
  checkShape("batch_norm_dw", "dy", dy, x.shape);
  const [dgamma, dbeta] = [zeros(mean.shape), zeros(mean.shape)];
  const deviation = deviations(variance, options);
  eachCell(x.shape, (e, c) => {
    dgamma.data[c] += (dy.data[e] * (x.data[e] - mean.data[c])) / deviation[c];
    dbeta.data[c] += dy.data[e];
  });
  return [dgamma, dbeta];
}

/**
 * Normalizes every channel with the given statistics, which are the running statistics in inference.
 *
 * @param {NDArray} x @param {NDArray} gamma @param {NDArray} beta @param {NDArray} mean @param {NDArray} variance
 * @param {Options} options
 */
export function batch_norm_inference(x, gamma, beta, mean, variance, options) {
  checked("batch_norm_inference", x, { gamma, beta, running_mean: mean, running_variance: variance });
  const deviation = deviations(variance, options);
  const y = zeros(x.shape);
  eachCell(x.shape, (e, c) => {
    y.data[e] = gamma.data[c] * ((x.data[e] - mean.data[c]) / deviation[c]) + beta.data[c];
  });
  return y;
}

/**
 * dx[n,c,i,j] = gamma[c] / √(running_variance[c] + ε) · dy[n,c,i,j]
 *
 * @param {NDArray} dy @param {NDArray} gamma @param {NDArray} variance  running_variance @param {Options} options
 */
export function batch_norm_inference_dx(dy, gamma, variance, options) {
  checked("batch_norm_inference_dx", dy, { gamma, running_variance: variance });
  const deviation = deviations(variance, options);
  const dx = zeros(dy.shape);
  eachCell(dy.shape, (e, c) => {
    dx.data[e] = (gamma.data[c] / deviation[c]) * dy.data[e];
  });
  return dx;
}

/**
 * running_mean[c]     ← (1 − momentum) · running_mean[c] + momentum · mean[c]
 * running_variance[c] ← (1 − momentum) · running_variance[c] + momentum · variance[c] · M/(M − 1)        unbiased
 *
 * @param {NDArray} mean @param {NDArray} variance @param {NDArray} runningMean @param {NDArray} runningVariance
 * @param {{count: number, momentum?: number}} options  count: M
 * @returns {[NDArray, NDArray]}
 */
export function running_statistics(mean, variance, runningMean, runningVariance, { count, momentum = 0.1 }) {
  const arrays = { variance, running_mean: runningMean, running_variance: runningVariance };
  for (const [name, array] of Object.entries(arrays)) checkShape("running_statistics", name, array, mean.shape);
  const unbiased = count / Math.max(count - 1, 1);
  const [newMean, newVariance] = [zeros(mean.shape), zeros(mean.shape)];
  for (let c = 0; c < mean.data.length; c += 1) {
    newMean.data[c] = (1 - momentum) * runningMean.data[c] + momentum * mean.data[c];
    newVariance.data[c] = (1 - momentum) * runningVariance.data[c] + momentum * (variance.data[c] * unbiased);
  }
  return [newMean, newVariance];
}

/** √(variance[c] + ε) @param {NDArray} variance @param {Options} options */
function deviations(variance, { epsilon = 1e-5 }) {
  return Float64Array.from(variance.data, (value) => Math.sqrt(value + epsilon));
}

/**
 * Checks the shapes and returns M.
 *
 * @param {string} name @param {NDArray} x @param {Record<string, NDArray>} channelwise
 */
function checked(name, x, channelwise) {
  checkChannels(name, x, channelwise);
  return x.data.length / Math.max(x.shape[1], 1);
}
