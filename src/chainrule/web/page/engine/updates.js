/**
 * The update rules: compute new parameters and moments from the old values and the gradient, element by element.
 *
 * @typedef {import("../types.js").NDArray} NDArray
 * @typedef {{rate: number, step: number, beta1: number, beta2: number, epsilon: number, decay: number}} AdamOptions
 */

import { checkSame, zeros } from "./tensor.js";

/** κ = min(1, limit / (norm + 10⁻⁶)) @param {NDArray} norm @param {{limit: number}} options */
export function clip_factor(norm, { limit }) {
  return { shape: norm.shape, data: norm.data.map((value) => Math.min(1, limit / (value + 1e-6))) };
}

/**
 * p ← (1 − rate · decay) p − rate · g
 *
 * @param {NDArray} p @param {NDArray} g @param {{rate: number, decay?: number}} options
 */
export function sgd_update(p, g, { rate, decay = 0 }) {
  checkSame("sgd_update", { p, g });
  const next = zeros(p.shape);
  for (let e = 0; e < p.data.length; e += 1) next.data[e] = (1 - rate * decay) * p.data[e] - rate * g.data[e];
  return next;
}

/**
 * h = g + decay · p,  v ← μ v + h
 * p ← p − rate · v, and Nesterov p ← p − rate · (h + μ v)        μ = momentum, v the new velocity
 *
 * @param {NDArray} p @param {NDArray} g @param {NDArray} v
 * @param {{rate: number, momentum: number, nesterov: boolean, decay?: number}} options
 * @returns {[NDArray, NDArray]}
 */
export function momentum_update(p, g, v, { rate, momentum, nesterov, decay = 0 }) {
  checkSame("momentum_update", { p, g, v });
  const [next, nextV] = [zeros(p.shape), zeros(v.shape)];
  for (let e = 0; e < p.data.length; e += 1) {
    const slope = g.data[e] + decay * p.data[e];
    const velocity = momentum * v.data[e] + slope;
    nextV.data[e] = velocity;
    next.data[e] = p.data[e] - rate * (nesterov ? slope + momentum * velocity : velocity);
  }
  return [next, nextV];
}

/**
 * h = g + decay · p,  v ← α v + (1 − α) h²
 * u ← μ u + h / (√v + ε),  p ← p − rate · u        α = alpha, ε = epsilon, μ = momentum
 *
 * @param {NDArray} p @param {NDArray} g @param {NDArray} v @param {NDArray} u
 * @param {{rate: number, alpha: number, epsilon: number, momentum: number, decay?: number}} options
 * @returns {[NDArray, NDArray, NDArray]}
 */
export function rmsprop_update(p, g, v, u, { rate, alpha, epsilon, momentum, decay = 0 }) {
  checkSame("rmsprop_update", { p, g, v, u });
  const [next, nextV, nextU] = [zeros(p.shape), zeros(v.shape), zeros(u.shape)];
  for (let e = 0; e < p.data.length; e += 1) {
    const slope = g.data[e] + decay * p.data[e];
    const square = alpha * v.data[e] + (1 - alpha) * slope * slope;
    const velocity = momentum * u.data[e] + slope / (Math.sqrt(square) + epsilon);
    next.data[e] = p.data[e] - rate * velocity;
    nextV.data[e] = square;
    nextU.data[e] = velocity;
  }
  return [next, nextV, nextU];
}

/**
 * m ← β₁ m + (1 − β₁) g,  v ← β₂ v + (1 − β₂) g²
 * p ← (1 − rate · decay) p − rate · m̂ / (√v̂ + ε)        m̂ = m / (1 − β₁ᵗ),  v̂ = v / (1 − β₂ᵗ),  t = step, from 1
 *
 * @param {NDArray} p @param {NDArray} g @param {NDArray} m @param {NDArray} v @param {AdamOptions} options
 * @returns {[NDArray, NDArray, NDArray]}
 */
export function adam_update(p, g, m, v, { rate, step, beta1, beta2, epsilon, decay }) {
  checkSame("adam_update", { p, g, m, v });
  const [next, nextM, nextV] = [zeros(p.shape), zeros(m.shape), zeros(v.shape)];
  const [correction1, correction2] = [1 - beta1 ** step, Math.sqrt(1 - beta2 ** step)];
  for (let e = 0; e < p.data.length; e += 1) {
    const gradient = g.data[e];
    const first = beta1 * m.data[e] + (1 - beta1) * gradient;
    const second = beta2 * v.data[e] + (1 - beta2) * gradient * gradient;
    const root = Math.sqrt(second) / correction2;
    next.data[e] = (1 - rate * decay) * p.data[e] - (rate * (first / correction1)) / (root + epsilon);
    nextM.data[e] = first;
    nextV.data[e] = second;
  }
  return [next, nextM, nextV];
}
