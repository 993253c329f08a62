/**
 * The loss as a function of one number of a step: a weight, a pixel or an activation. Later operations are recomputed.
 *
 * @typedef {import("../types.js").NDArray} NDArray
 * @typedef {import("../types.js").Nudge} Nudge
 * @typedef {import("../types.js").Trace} Trace
 */

import { Interpreter } from "./interpreter.js";
import { runtimeOf } from "./trace.js";

/**
 * Returns whether a tensor can be nudged: a parameter, the input, or an activation. A loss that is joined with the last
 * layer does not read this layer's output.
 *
 * @param {Trace} trace @param {string} tensor
 */
export function canNudge({ description: { catalogue, plan, layout } }, tensor) {
  const isOmitted = catalogue.omitted.some(({ writes }) => writes.some(({ storage }) => storage === tensor));
  if (!plan.loss || tensor === plan.loss.storage || isOmitted) return false;
  if (tensor === plan.input.storage) return true;
  const reads = plan.forward.flatMap((operation) => operation.reads);
  const read = reads.find((candidate) => candidate?.storage === tensor);
  return Boolean(read && !read.integer && ((read.kind === "parameter" && tensor in layout) || read.kind === "activation"));
}

/**
 * Runs the forward pass on a trace's image with the given parameters.
 *
 * @param {Trace} trace @param {Float64Array} parameters
 */
function forward(trace, parameters) {
  const { description: { plan, layout }, frame, values } = trace;
  const copy = (/** @type {string} */ name) => {
    const { shape, data } = /** @type {NDArray} */ (values.get(name));
    return { shape: [1, ...shape], data: new Float64Array(data) };
  };
  const walk = new Interpreter({ ...plan, backward: [] }, layout, { parameters, statistics: new Float64Array(frame.statistics) });
  walk.run(copy("x"), copy("t"), runtimeOf(trace), plan.weights ? copy("weights") : null);
  return walk;
}

/** @param {Interpreter} walk */
function lossOf(walk) {
  return walk.read(/** @type {import("../types.js").Tensor} */ (walk.plan.loss)).data[0];
}

export class LossOf {
  /** @param {Trace} trace @param {string} tensor @param {number} flat  flat index of the number */
  constructor(trace, tensor, flat) {
    const { plan, layout } = trace.description;
    const parameters = new Float64Array(trace.frame.parameters);
    this.walk = forward(trace, parameters);
    const written = plan.forward.findIndex(({ writes }) => writes.some(({ storage }) => storage === tensor));
    const parameter = tensor in layout;
    const first = plan.forward.findIndex(({ reads }) => reads.some((read) => read?.storage === tensor));
    this.following = plan.forward.slice(parameter ? first : written + 1);
    const whole = parameter ? parameters : /** @type {NDArray} */ (this.walk.values.get(tensor)).data;
    this.place = { data: whole, at: parameter ? layout[tensor][0] + flat : flat };
    this.value = whole[this.place.at];
  }

  /** Returns the loss for a value of the number. @param {number} value */
  at(value) {
    const { data, at } = this.place;
    data[at] = value;
    this.walk.walk(this.following);
    const loss = lossOf(this.walk);
    data[at] = this.value;
    return loss;
  }

  /** Returns (L(w + ε) − L(w − ε)) / 2ε. @param {number} epsilon */
  quotient(epsilon) {
    return (this.at(this.value + epsilon) - this.at(this.value - epsilon)) / (2 * epsilon);
  }
}
