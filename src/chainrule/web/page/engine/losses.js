/**
 * The losses, one value per sample, and the gradient of their mean over the batch.
 *
 * Every gradient is of the *mean* over `batch` samples (null: the samples given). ε is the epsilon of float64.
 *
 * @typedef {import("../types.js").NDArray} NDArray
 * @typedef {{batch?: number | null}} Batch
 */

import { softmax } from "./activations.js";
import { checkAxes, checkSame, zeros } from "./tensor.js";

const EPSILON = Number.EPSILON;

/** loss[n] = ½ Σ_k (p[n,k] − t[n,k])² @param {NDArray} p @param {NDArray} t */
export function half_squared_error(p, t) {
  return summed("half_squared_error", p, t, (a, b) => 0.5 * (a - b) * (a - b));
}

/** dp[n,k] = (p[n,k] − t[n,k]) / batch @param {NDArray} p @param {NDArray} t @param {Batch} options */
export function half_squared_error_dp(p, t, { batch }) {
  return gradient("half_squared_error_dp", p, t, batch, (a, b) => a - b);
}

/** loss[n] = 1/K Σ_k (p[n,k] − t[n,k])² @param {NDArray} p @param {NDArray} t */
export function mean_squared_error(p, t) {
  return summed("mean_squared_error", p, t, (a, b, K) => ((a - b) * (a - b)) / K);
}

/** dp[n,k] = 2/K (p[n,k] − t[n,k]) / batch @param {NDArray} p @param {NDArray} t @param {Batch} options */
export function mean_squared_error_dp(p, t, { batch }) {
  return gradient("mean_squared_error_dp", p, t, batch, (a, b, K) => (2 * (a - b)) / K);
}

/** loss[n] = 1/K Σ_k abs(p[n,k] − t[n,k]) @param {NDArray} p @param {NDArray} t */
export function mean_absolute_error(p, t) {
  return summed("mean_absolute_error", p, t, (a, b, K) => Math.abs(a - b) / K);
}

/** dp[n,k] = sgn(p[n,k] − t[n,k]) / K / batch @param {NDArray} p @param {NDArray} t @param {Batch} options */
export function mean_absolute_error_dp(p, t, { batch }) {
  return gradient("mean_absolute_error_dp", p, t, batch, (a, b, K) => Math.sign(a - b) / K);
}

/** loss[n] = 1/K Σ_k h(p[n,k] − t[n,k]) @param {NDArray} p @param {NDArray} t */
export function huber(p, t) {
  return summed("huber", p, t, (a, b, K) => huberOf(a - b) / K);
}

/** h(d) = ½ d² where |d| ≤ 1, else |d| − ½ @param {number} difference */
export function huberOf(difference) {
  const size = Math.abs(difference);
  return size <= 1 ? (size * size) / 2 : size - 0.5;
}

/** dp[n,k] = max(−1, min(p[n,k] − t[n,k], 1)) / K / batch @param {NDArray} p @param {NDArray} t @param {Batch} options */
export function huber_dp(p, t, { batch }) {
  return gradient("huber_dp", p, t, batch, (a, b, K) => clipped(a - b, -1, 1) / K);
}

/**
 * loss[n] = −1/K Σ_k t[n,k] log p̂[n,k] + (1 − t[n,k]) log(1 − p̂[n,k])        p̂: p clipped to [ε, 1 − ε]
 *
 * @param {NDArray} p @param {NDArray} t
 */
export function binary_cross_entropy(p, t) {
  return summed("binary_cross_entropy", p, t, (a, b, K) => {
    const q = clipped(a, EPSILON, 1 - EPSILON);
    return -(b * Math.log(q) + (1 - b) * Math.log(1 - q)) / K;
  });
}

/**
 * dp[n,k] = 1/K ((1 − t[n,k])/(1 − p̂[n,k]) − t[n,k]/p̂[n,k]) / batch
 *
 * @param {NDArray} p @param {NDArray} t @param {Batch} options
 */
export function binary_cross_entropy_dp(p, t, { batch }) {
  return gradient("binary_cross_entropy_dp", p, t, batch, (a, b, K) => {
    const q = clipped(a, EPSILON, 1 - EPSILON);
    return ((1 - b) / (1 - q) - b / q) / K;
  });
}

/** loss[n] = −Σ_k t[n,k] log p̂[n,k]        p̂: p clipped to [ε, 1] @param {NDArray} p @param {NDArray} t */
export function categorical_cross_entropy(p, t) {
  return summed("categorical_cross_entropy", p, t, (a, b) => -b * Math.log(clipped(a, EPSILON, 1)));
}

/** dp[n,k] = −t[n,k] / p̂[n,k] / batch @param {NDArray} p @param {NDArray} t @param {Batch} options */
export function categorical_cross_entropy_dp(p, t, { batch }) {
  return gradient("categorical_cross_entropy_dp", p, t, batch, (a, b) => -b / clipped(a, EPSILON, 1));
}

/**
 * Computes the categorical cross-entropy of softmax(p) in log space.
 *
 * loss[n] = Σ_k t[n,k] (L[n] − p[n,k])        L[n] = m + log Σ_k e^(p[n,k] − m),  m = max_k p[n,k]
 *
 * @param {NDArray} p  (N, K) logits @param {NDArray} t
 */
export function softmax_cross_entropy(p, t) {
  const loss = oneASample("softmax_cross_entropy", p, t);
  const [N, K] = p.shape;
  for (let n = 0; n < N; n += 1) {
    const [row, target] = [p.data.subarray(n * K, (n + 1) * K), t.data.subarray(n * K, (n + 1) * K)];
    const log = logSum(row);
    for (let k = 0; k < K; k += 1) loss.data[n] += target[k] * (log - row[k]);
  }
  return loss;
}

/** L = m + log Σ_k e^(p_k − m),  m = max_k p_k @param {ArrayLike<number> & Iterable<number>} row */
export function logSum(row) {
  const m = Math.max(...row);
  let total = 0;
  for (let k = 0; k < row.length; k += 1) total += Math.exp(row[k] - m);
  return m + Math.log(total);
}

/**
 * dp[n,k] = (softmax(p)[n,k] · Σ_l t[n,l] − t[n,k]) / batch        where Σ_l t[n,l] is 1 for a one-hot row
 *
 * @param {NDArray} p @param {NDArray} t @param {Batch} options
 */
export function softmax_cross_entropy_dp(p, t, { batch }) {
  oneASample("softmax_cross_entropy_dp", p, t);
  const [N, K] = p.shape;
  const dp = softmax(p);
  for (let n = 0; n < N; n += 1) {
    let total = 0;
    for (let at = n * K; at < (n + 1) * K; at += 1) total += t.data[at];
    for (let at = n * K; at < (n + 1) * K; at += 1) dp.data[at] = (dp.data[at] * total - t.data[at]) / (batch ?? N);
  }
  return dp;
}

/** hit[n] = 1 where argmax_k p[n,k] = argmax_k t[n,k], else 0 @param {NDArray} p @param {NDArray} t */
export function correct(p, t) {
  const hit = oneASample("correct", p, t);
  const K = p.shape[1];
  for (let n = 0; n < hit.data.length; n += 1) {
    const same = placeOfLargest(p.data, n * K, K) === placeOfLargest(t.data, n * K, K);
    hit.data[n] = same ? 1 : 0;
  }
  return hit;
}

/**
 * share[n] = 1/K Σ_k (1 where (p[n,k] ≥ ½) = (t[n,k] ≥ ½), else 0)        NaN is on neither side
 *
 * @param {NDArray} p @param {NDArray} t
 */
export function correct_labels(p, t) {
  return summed("correct_labels", p, t, (a, b, K) => (sameSide(a, b) ? 1 / K : 0));
}

/** Returns whether both are at least ½ or both are less. @param {number} a @param {number} b */
export function sameSide(a, b) {
  return (a >= 0.5 && b >= 0.5) || (a < 0.5 && b < 0.5);
}

/** Returns the index of the first maximum or NaN. @param {NDArray["data"]} data @param {number} from @param {number} K */
export function placeOfLargest(data, from, K) {
  let best = 0;
  for (let k = 1; k < K; k += 1) {
    const [cell, so] = [data[from + k], data[from + best]];
    if (cell > so || (Number.isNaN(cell) && !Number.isNaN(so))) best = k;
  }
  return best;
}

/** Returns p clipped to [low, high]; NaN propagates. @param {number} p @param {number} low @param {number} high */
export function clipped(p, low, high) {
  if (p < low) return low;
  return p > high ? high : p;
}

/**
 * Checks the shapes and returns zeros, one per sample.
 *
 * @param {string} name @param {NDArray} p @param {NDArray} t
 */
function oneASample(name, p, t) {
  checkAxes(name, "p", p, "N, K");
  checkSame(name, { p, t });
  return zeros([p.shape[0]]);
}

/**
 * Sums a function of prediction and target over the classes.
 *
 * @param {string} name @param {NDArray} p @param {NDArray} t @param {(a: number, b: number, K: number) => number} f
 */
function summed(name, p, t, f) {
  const loss = oneASample(name, p, t);
  const K = p.shape[1];
  for (let at = 0; at < p.data.length; at += 1) loss.data[Math.floor(at / K)] += f(p.data[at], t.data[at], K);
  return loss;
}

/**
 * Returns the gradient of the mean loss: the function divided by the batch size.
 *
 * @param {string} name @param {NDArray} p @param {NDArray} t @param {number | null | undefined} batch
 * @param {(a: number, b: number, K: number) => number} f
 */
function gradient(name, p, t, batch, f) {
  oneASample(name, p, t);
  const dp = zeros(p.shape);
  const [N, K] = p.shape;
  for (let at = 0; at < p.data.length; at += 1) dp.data[at] = f(p.data[at], t.data[at], K) / (batch ?? N);
  return dp;
}
