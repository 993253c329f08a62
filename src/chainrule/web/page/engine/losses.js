/**
 * The losses, one value per row, and the gradients of their mean.
 *
 * A row is one prediction: p[n] for a vector (N, K), and p[n,:,i,j] at a position of a dense prediction (N, K, H, W).
 * Every gradient is that of the *mean* over `batch` rows (null: the rows in p). ε is the epsilon of float64.
 *
 * @typedef {import("../types.js").NDArray} NDArray
 * @typedef {{batch?: number | null}} Batch
 * @typedef {(p: number, t: number, K: number) => number} Entry
 */

import { log_softmax, rows } from "./activations.js";
import { FUNCTIONS } from "./elementwise.js";
import { checkSame, zeros } from "./tensor.js";

const EPSILON = Number.EPSILON;

/**
 * For losses that are sums over the entries of a row: the loss of one entry, and its derivative with respect to p.
 *
 * @type {Record<string, [value: Entry, derivative: Entry]>}
 */
const OF_ENTRIES = {
  // ½ Σ_k (p − t)²
  half_squared_error: [(p, t) => 0.5 * (p - t) * (p - t), (p, t) => p - t],
  // 1/K Σ_k (p − t)²
  mean_squared_error: [(p, t, K) => ((p - t) * (p - t)) / K, (p, t, K) => (2 * (p - t)) / K],
  // 1/K Σ_k abs(p − t)
  mean_absolute_error: [(p, t, K) => Math.abs(p - t) / K, (p, t, K) => Math.sign(p - t) / K],
  // 1/K Σ_k h(p − t), whose derivative is p − t clipped to [−1, 1]
  huber: [(p, t, K) => huberOf(p - t) / K, (p, t, K) => clipped(p - t, -1, 1) / K],
  // −1/K Σ_k t log p̂ + (1 − t) log(1 − p̂)        p̂: p clipped to [ε, 1 − ε]
  binary_cross_entropy: [
    (p, t, K) => -(t * Math.log(inside(p)) + (1 - t) * Math.log(1 - inside(p))) / K,
    (p, t, K) => ((1 - t) / (1 - inside(p)) - t / inside(p)) / K,
  ],
  // −1/K Σ_k t (1 − p̂)² log p̂ + (1 − t) p̂² log(1 − p̂)        p̂: p clipped to [ε, 1 − ε]
  binary_focal_cross_entropy: [
    (p, t, K) => (t * focal(inside(p)) + (1 - t) * focal(1 - inside(p))) / K,
    (p, t, K) => (t * focalSlope(inside(p)) - (1 - t) * focalSlope(1 - inside(p))) / K,
  ],
  // 1/K Σ_k t softplus(−z) + (1 − t) softplus(z), whose derivative is σ(z) − t
  sigmoid_cross_entropy: [
    (z, t, K) => (t * softplus(-z) + (1 - t) * softplus(z)) / K,
    (z, t, K) => (sigmoid(z) - t) / K,
  ],
  // 1/K Σ_k t σ(−z)² softplus(−z) + (1 − t) σ(z)² softplus(z)
  sigmoid_focal_cross_entropy: [
    (z, t, K) => (t * surpriseOf(-z) + (1 - t) * surpriseOf(z)) / K,
    (z, t, K) => ((1 - t) * slopeOf(z) - t * slopeOf(-z)) / K,
  ],
  // −Σ_k t (1 − p̂)² log p̂        p̂: p clipped to [ε, 1]
  categorical_focal_cross_entropy: [
    (p, t) => t * focal(clipped(p, EPSILON, 1)),
    (p, t) => t * focalSlope(clipped(p, EPSILON, 1)),
  ],
  // −Σ_k t log p̂        p̂: p clipped to [ε, 1]
  categorical_cross_entropy: [(p, t) => -t * Math.log(clipped(p, EPSILON, 1)), (p, t) => -t / clipped(p, EPSILON, 1)],
};

/**
 * For losses that are sums over the classes of a softmax y: the loss of one class from log y and t, and the negative
 * derivative of this loss with respect to y, multiplied by y.
 *
 * @type {Record<string, [value: Entry, slope: Entry]>}
 */
const OF_CLASSES = {
  // −Σ_k t log y
  softmax_cross_entropy: [(log, t) => -t * log, (_, t) => t],
  // −Σ_k t (1 − y)² log y
  softmax_focal_cross_entropy: [
    (log, t) => -t * (1 - Math.exp(log)) ** 2 * log,
    (log, t) => t * (1 - Math.exp(log)) * (1 - Math.exp(log) - 2 * Math.exp(log) * log),
  ],
};

/**
 * These losses by name, one value per row, and their gradients by name with the suffix _dp.
 *
 * @type {Record<string, (p: NDArray, t: NDArray, options: Batch) => NDArray>}
 */
export const LOSSES = Object.fromEntries([
  ...Object.entries(OF_ENTRIES).flatMap(([name, [value, derivative]]) => [
    [name, (/** @type {NDArray} */ p, /** @type {NDArray} */ t) => summed(name, p, t, value)],
    [`${name}_dp`, (/** @type {NDArray} */ p, /** @type {NDArray} */ t, /** @type {Batch} */ { batch }) => gradient(`${name}_dp`, p, t, batch, derivative)],
  ]),
  ...Object.entries(OF_CLASSES).flatMap(([name, [value, slope]]) => [
    [name, (/** @type {NDArray} */ p, /** @type {NDArray} */ t) => summed(name, log_softmax(p), t, value)],
    [`${name}_dp`, (/** @type {NDArray} */ p, /** @type {NDArray} */ t, /** @type {Batch} */ { batch }) => scoreGradient(`${name}_dp`, p, t, batch, slope)],
  ]),
]);

/** The sigmoid σ(z) @param {number} z */
function sigmoid(z) {
  return FUNCTIONS.σ(z);
}

/** −log σ(−z) = log(1 + e^z) @param {number} z */
function softplus(z) {
  return Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));
}

/** σ(z)² softplus(z): the focal loss of a no @param {number} z */
function surpriseOf(z) {
  return sigmoid(z) ** 2 * softplus(z);
}

/** The derivative of `surpriseOf`: y² (y + 2 σ(−z) softplus(z)), where y = σ(z) @param {number} z */
function slopeOf(z) {
  return sigmoid(z) ** 2 * (sigmoid(z) + 2 * sigmoid(-z) * softplus(z));
}

/** −(1 − q)² log q @param {number} q */
function focal(q) {
  return -(1 - q) * (1 - q) * Math.log(q);
}

/** The derivative 2 (1 − q) log q − (1 − q)²/q. @param {number} q */
function focalSlope(q) {
  return 2 * (1 - q) * Math.log(q) - ((1 - q) * (1 - q)) / q;
}

/**
 * Computes 1 minus the mean Dice coefficient of the classes.
 *
 * loss[n] = 1 − 1/K Σ_k (2 I[n,k] + 1)/(A[n,k] + 1)        I: Σ p t, A: Σ p + t, over the positions
 *
 * @param {NDArray} p @param {NDArray} t
 */
export function dice(p, t) {
  const [N, K] = p.shape;
  const loss = zeros([N]);
  areas("dice", p, t).forEach(([overlap, total], at) => {
    loss.data[Math.floor(at / K)] += (2 * overlap + 1) / (total + 1) / K;
  });
  for (let n = 0; n < N; n += 1) loss.data[n] = 1 - loss.data[n];
  return loss;
}

/**
 * dp[n,k] = 1/K ((2 I[n,k] + 1)/(A[n,k] + 1)² − 2 t[n,k]/(A[n,k] + 1)) / batch
 *
 * @param {NDArray} p @param {NDArray} t @param {Batch} options
 */
export function dice_dp(p, t, { batch }) {
  const [N, K] = p.shape;
  const [sums, dp] = [areas("dice_dp", p, t), zeros(p.shape)];
  const positions = p.data.length / (N * K);
  for (let at = 0; at < p.data.length; at += 1) {
    const [overlap, total] = sums[Math.floor(at / positions)];
    dp.data[at] = ((2 * overlap + 1) / (total + 1) - 2 * t.data[at]) / (total + 1) / K / (batch ?? N);
  }
  return dp;
}

/**
 * Returns, for each sample and class, the overlap Σ p t and the sum of the areas Σ p + t.
 *
 * @param {string} name @param {NDArray} p @param {NDArray} t @returns {[number, number][]}
 */
function areas(name, p, t) {
  zeroPerRow(name, p, t);
  const [N, K] = p.shape;
  const positions = p.data.length / (N * K);
  return Array.from({ length: N * K }, (_, c) => {
    let [overlap, total] = [0, 0];
    for (let at = c * positions; at < (c + 1) * positions; at += 1) {
      overlap += p.data[at] * t.data[at];
      total += p.data[at] + t.data[at];
    }
    return [overlap, total];
  });
}

/** h(d) = ½ d² where |d| ≤ 1, else |d| − ½ @param {number} difference */
function huberOf(difference) {
  const size = Math.abs(difference);
  return size <= 1 ? (size * size) / 2 : size - 0.5;
}

/** Returns p clipped to [ε, 1 − ε]. @param {number} p */
function inside(p) {
  return clipped(p, EPSILON, 1 - EPSILON);
}

/**
 * dp[n,k] = (y[n,k] · Σ_l a[n,l] − a[n,k]) / batch        y = softmax(p), a: the slope of each class
 *
 * @param {string} name @param {NDArray} p  logits, (N, K) or (N, K, …) @param {NDArray} t
 * @param {number | null | undefined} batch @param {Entry} slope
 */
function scoreGradient(name, p, t, batch, slope) {
  const [, indices] = zeroPerRow(name, p, t);
  const [dp, log] = [zeros(p.shape), log_softmax(p)];
  for (const row of indices) {
    const a = row.map((at) => slope(log.data[at], t.data[at], row.length));
    const total = a.reduce((sum, value) => sum + value, 0);
    row.forEach((at, k) => (dp.data[at] = (Math.exp(log.data[at]) * total - a[k]) / (batch ?? indices.length)));
  }
  return dp;
}

/** hit[n] = 1 where argmax_k p[n,k] = argmax_k t[n,k], else 0 @param {NDArray} p @param {NDArray} t */
export function correct(p, t) {
  const [hit, indices] = zeroPerRow("correct", p, t);
  indices.forEach((row, r) => {
    const [first, second] = [p, t].map(({ data }) => placeOfLargest(row.map((at) => data[at]), 0, row.length));
    hit.data[r] = first === second ? 1 : 0;
  });
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

/** Returns whether both numbers are at least ½ or both are less than ½. @param {number} a @param {number} b */
function sameSide(a, b) {
  return (a >= 0.5 && b >= 0.5) || (a < 0.5 && b < 0.5);
}

/**
 * Returns the index of the first NaN or, without NaN, of the first maximum.
 *
 * @param {ArrayLike<number>} data @param {number} from @param {number} K
 */
export function placeOfLargest(data, from, K) {
  let best = 0;
  for (let k = 1; k < K; k += 1) {
    const [cell, so] = [data[from + k], data[from + best]];
    if (cell > so || (Number.isNaN(cell) && !Number.isNaN(so))) best = k;
  }
  return best;
}

/** Returns p clipped to [low, high]; NaN propagates. @param {number} p @param {number} low @param {number} high */
function clipped(p, low, high) {
  if (p < low) return low;
  return p > high ? high : p;
}

/**
 * Checks the shapes, and returns zeros, one per row, and the flat indices of the entries of each row.
 *
 * @param {string} name @param {NDArray} p @param {NDArray} t @returns {[NDArray, number[][]]}
 */
function zeroPerRow(name, p, t) {
  const indices = rows(name, "p", p);
  checkSame(name, { p, t });
  return [zeros([p.shape[0], ...p.shape.slice(2)]), indices];
}

/**
 * Returns, for each row, the sum of a function of prediction and target over the classes.
 *
 * @param {string} name @param {NDArray} p @param {NDArray} t @param {Entry} f
 */
function summed(name, p, t, f) {
  const [loss, indices] = zeroPerRow(name, p, t);
  indices.forEach((row, r) => {
    for (const at of row) loss.data[r] += f(p.data[at], t.data[at], row.length);
  });
  return loss;
}

/**
 * Returns the gradient of the mean loss: a function of prediction and target, divided by the number of rows.
 *
 * @param {string} name @param {NDArray} p @param {NDArray} t @param {number | null | undefined} batch
 * @param {Entry} f
 */
function gradient(name, p, t, batch, f) {
  const [, indices] = zeroPerRow(name, p, t);
  const dp = zeros(p.shape);
  const K = p.shape[1];
  for (let at = 0; at < p.data.length; at += 1) {
    dp.data[at] = f(p.data[at], t.data[at], K) / (batch ?? indices.length);
  }
  return dp;
}
