/**
 * The change of a parameter in one step, split into the effects of earlier gradients, batch, weight decay and rounding.
 *
 * Some optimizers divide by a root that itself depends on the batch. With this divisor fixed, a step is linear in the
 * moments, the gradient and the parameter. Loops: engine/updates.js.
 *
 * @typedef {import("../types.js").Trace} Trace
 * @typedef {{
 *   total: number, memory: number, batch: number, decay: number, rounding: number, perGradient: number,
 * }} Change  total: the sum of the four parts; perGradient: the change per unit of the batch's gradient
 * @typedef {{rate: number, step: number, decay?: number} & Record<string, any>} Attributes
 */

import { clippingOf } from "../engine/trace.js";
import { named, valueOf } from "./naming.js";
import { attributesOf } from "./updates.js";

/**
 * Returns the parts of a parameter element's change, or null if the step is not a training step.
 *
 * @param {Trace} trace @param {string} parameter @param {number[]} index @returns {Change | null}
 */
export function changeOf(trace, parameter, index) {
  const { optimizer } = trace.description;
  const share = SHARES[optimizer.operation];
  if (!trace.batch || !share) return null;
  const value = (/** @type {string} */ tensor) => valueOf(trace, named(tensor, index)) ?? 0;
  const moments = Object.fromEntries(optimizer.moments.map((name) => [name, value(`${parameter}.${name}`)]));
  const [p, g, { scale }] = [value(parameter), value(`${parameter}.g`), clippingOf(trace)];
  const attributes = /** @type {Attributes} */ (attributesOf(trace, parameter));
  const { memory, perGradient, decay } = share(attributes, p, g * scale, moments);
  const total = value(`${parameter}.update`) - p;
  const batch = perGradient * scale * g;
  return { total, memory, batch, decay, rounding: total - memory - batch - decay, perGradient: perGradient * scale };
}

/**
 * For each optimizer: the effects of earlier gradients and of decay, and the change per unit of the clipped gradient.
 *
 * @type {Record<string, (given: Attributes, p: number, g: number, moments: Record<string, number>) =>
 *   {memory: number, perGradient: number, decay: number}>}
 */
const SHARES = {
  sgd_update: ({ rate, decay = 0 }, p) => ({ memory: 0, perGradient: -rate, decay: -rate * decay * p }),
  momentum_update({ rate, momentum, nesterov, decay = 0 }, p, _, moments) {
    const [v] = Object.values(moments);
    const perGradient = -rate * (nesterov ? 1 + momentum : 1);
    return { memory: -rate * (nesterov ? momentum ** 2 : momentum) * v, perGradient, decay: perGradient * decay * p };
  },
  rmsprop_update({ rate, alpha, epsilon, momentum, decay = 0 }, p, g, { v, u }) {
    const perGradient = -rate / (Math.sqrt(alpha * v + (1 - alpha) * (g + decay * p) ** 2) + epsilon);
    return { memory: -rate * momentum * u, perGradient, decay: perGradient * decay * p };
  },
  adam_update({ rate, step, beta1, beta2, epsilon, decay = 0 }, p, g, { m, v }) {
    const root = Math.sqrt((beta2 * v + (1 - beta2) * g * g) / (1 - beta2 ** step));
    const perFirst = -rate / (1 - beta1 ** step) / (root + epsilon);
    return { memory: perFirst * beta1 * m, perGradient: perFirst * (1 - beta1), decay: -rate * decay * p };
  },
};
