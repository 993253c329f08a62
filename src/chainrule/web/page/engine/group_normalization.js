/**
 * Group normalization: each group of channels is normalized per sample to mean 0 and variance 1, then scaled and
 * shifted.
 *
 * A group has D = C/groups channels, and channel c belongs to group g = ⌊c/D⌋. M is the number of values per group and
 * sample, D·H·W (or D). k is c, or c − g·D if all groups share D scales and D shifts.
 *
 * @typedef {import("../types.js").NDArray} NDArray
 * @typedef {{groups: number, shared?: boolean, epsilon?: number}} Options
 * @typedef {(e: number, row: number, k: number) => void} Visit  e: index of the entry, row: index of the group
 */

import { checkChannels, checkShape, eachCell, sizeOf, zeros } from "./tensor.js";

/**
 * y[n,c,i,j] = gamma[k] · x̂[n,c,i,j] + beta[k]        x̂ = (x − mean[n,g]) / √(variance[n,g] + ε)
 * mean[n,g] = 1/M Σ_{c∈g,i,j} x[n,c,i,j],  variance[n,g] = 1/M Σ_{c∈g,i,j} (x[n,c,i,j] − mean[n,g])²
 *
 * @param {NDArray} x  (N, C, H, W) or (N, C) @param {NDArray} gamma @param {NDArray} beta @param {Options} options
 * @returns {[NDArray, NDArray, NDArray]}  y, mean, variance
 */
export function group_norm(x, gamma, beta, options) {
  const M = checked("group_norm", x, options, { gamma, beta });
  const [mean, variance] = [zeros([x.shape[0], options.groups]), zeros([x.shape[0], options.groups])];
  eachEntry(x.shape, options, (e, row) => {
    mean.data[row] += x.data[e] / M;
  });
  eachEntry(x.shape, options, (e, row) => {
    variance.data[row] += (x.data[e] - mean.data[row]) ** 2 / M;
  });
  const y = zeros(x.shape);
  const normal = normalized(x, mean, variance, options);
  eachEntry(x.shape, options, (e, row, k) => {
    y.data[e] = gamma.data[k] * normal(e, row) + beta.data[k];
  });
  return [y, mean, variance];
}

/**
 * dx = (gamma[k] · dy − a[n,g] − x̂ · b[n,g]) / √(variance[n,g] + ε)
 *
 * a[n,g] = 1/M Σ_{c∈g,i,j} gamma[k] · dy[n,c,i,j],  b[n,g] = 1/M Σ_{c∈g,i,j} gamma[k] · dy[n,c,i,j] · x̂[n,c,i,j]
 *
 * @param {NDArray} dy @param {NDArray} x @param {NDArray} gamma @param {NDArray} mean @param {NDArray} variance
 * @param {Options} options
 */
export function group_norm_dx(dy, x, gamma, mean, variance, options) {
  const M = checked("group_norm_dx", x, options, { gamma });
  checkKept("group_norm_dx", dy, x, mean, variance, options);
  const normal = normalized(x, mean, variance, options);
  const [a, b, dx] = [zeros(mean.shape), zeros(mean.shape), zeros(x.shape)];
  eachEntry(x.shape, options, (e, row, k) => {
    a.data[row] += (gamma.data[k] * dy.data[e]) / M;
    b.data[row] += (gamma.data[k] * dy.data[e] * normal(e, row)) / M;
  });
  eachEntry(x.shape, options, (e, row, k) => {
    const centered = gamma.data[k] * dy.data[e] - a.data[row] - normal(e, row) * b.data[row];
    dx.data[e] = centered / Math.sqrt(variance.data[row] + (options.epsilon ?? EPSILON));
  });
  return dx;
}

/**
 * dgamma[k] = Σ_{n,i,j} dy[n,c,i,j] · x̂[n,c,i,j],  dbeta[k] = Σ_{n,i,j} dy[n,c,i,j]; shared, also over the groups
 *
 * @param {NDArray} dy @param {NDArray} x @param {NDArray} mean @param {NDArray} variance @param {Options} options
 * @returns {[NDArray, NDArray]}
 */
export function group_norm_dw(dy, x, mean, variance, options) {
  checked("group_norm_dw", x, options, {});
  checkKept("group_norm_dw", dy, x, mean, variance, options);
  const normal = normalized(x, mean, variance, options);
  const count = scales(x.shape, options);
  const [dgamma, dbeta] = [zeros([count]), zeros([count])];
  eachEntry(x.shape, options, (e, row, k) => {
    dgamma.data[k] += dy.data[e] * normal(e, row);
    dbeta.data[k] += dy.data[e];
  });
  return [dgamma, dbeta];
}

const EPSILON = 1e-5;

/**
 * Returns a function that computes x̂ of an entry.
 *
 * @param {NDArray} x @param {NDArray} mean @param {NDArray} variance @param {Options} options
 */
function normalized(x, mean, variance, { epsilon = EPSILON }) {
  const deviations = Float64Array.from(variance.data, (value) => Math.sqrt(value + epsilon));
  return (/** @type {number} */ e, /** @type {number} */ row) => (x.data[e] - mean.data[row]) / deviations[row];
}

/** Returns the number of scales. @param {number[]} shape @param {Options} options */
function scales([, C], { groups, shared = false }) {
  return shared ? C / groups : C;
}

/** Visits all entries of an array (N, C, …). @param {number[]} shape @param {Options} options @param {Visit} visit */
function eachEntry(shape, options, visit) {
  const [depth, count] = [shape[1] / options.groups, scales(shape, options)];
  eachCell(shape, (e, c, plane) => visit(e, Math.floor(plane / depth), c % count));
}

/**
 * Checks the shapes and returns M.
 *
 * @param {string} name @param {NDArray} x @param {Options} options @param {Record<string, NDArray>} channelwise
 */
function checked(name, x, options, channelwise) {
  const { groups } = options;
  if (groups < 1 || x.shape[1] % groups) {
    throw new Error(`${name}: ${groups} groups do not divide the ${x.shape[1]} channels of x`);
  }
  checkChannels(name, x, channelwise, scales(x.shape, options));
  return sizeOf(x.shape.slice(1)) / groups;
}

/**
 * @param {string} name @param {NDArray} dy @param {NDArray} x @param {NDArray} mean @param {NDArray} variance
 * @param {Options} options
 */
function checkKept(name, dy, x, mean, variance, { groups }) {
  checkShape(name, "dy", dy, x.shape);
  checkShape(name, "mean", mean, [x.shape[0], groups]);
  checkShape(name, "variance", variance, [x.shape[0], groups]);
}
