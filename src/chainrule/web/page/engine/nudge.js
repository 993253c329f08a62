/**
 * The loss as a function of one number of a step: a weight, a pixel or an activation. All that follows is computed again.
 *
 * @typedef {import("../types.js").NDArray} NDArray
 * @typedef {import("../types.js").Nudge} Nudge
 * @typedef {import("../types.js").Trace} Trace
 */

import { Interpreter } from "./interpreter.js";

/** Returns whether a tensor can be nudged: a parameter, the input, or what an operation forward computes. @param {Trace} trace @param {string} tensor */
export function canNudge({ description: { plan, layout } }, tensor) {
  if (!plan.loss || tensor === plan.loss.storage) return false;
  if (tensor === plan.input.storage) return true;
  const reads = plan.forward.flatMap((operation) => operation.reads);
  const read = reads.find((each) => each?.storage === tensor);
  return Boolean(read && !read.integer && ((read.kind === "parameter" && tensor in layout) || read.kind === "activation"));
}

export class LossOf {
  /** @param {Trace} trace @param {string} tensor @param {number} flat  the number's index in it */
  constructor(trace, tensor, flat) {
    const { description, frame, picture, values } = trace;
    const { plan, layout, recipe } = description;
    const copy = (/** @type {string} */ name) =>
      ({ shape: [1, .../** @type {NDArray} */ (values.get(name)).shape], data: new Float64Array(/** @type {NDArray} */ (values.get(name)).data) });
    const buffers = { parameters: new Float64Array(frame.parameters), statistics: new Float64Array(frame.statistics) };
    this.walk = new Interpreter({ ...plan, backward: [] }, layout, buffers);
    const x = copy("x");
    this.walk.run(x, copy("t"), { seed: recipe.seed, step: frame.step + 1, first: picture.place ?? 0 });
    const written = plan.forward.findIndex(({ writes }) => writes.some(({ storage }) => storage === tensor));
    const parameter = tensor in layout;
    const first = plan.forward.findIndex(({ reads }) => reads.some((read) => read?.storage === tensor));
    this.following = plan.forward.slice(parameter ? first : written + 1);
    const whole = parameter ? buffers.parameters : /** @type {NDArray} */ (this.walk.values.get(tensor)).data;
    this.place = { data: whole, at: parameter ? layout[tensor][0] + flat : flat };
    this.value = whole[this.place.at];
  }

  /** Returns the loss where the number has a value. @param {number} value */
  at(value) {
    const { data, at } = this.place;
    data[at] = value;
    this.walk.walk(this.following);
    const loss = this.walk.read(/** @type {import("../types.js").Tensor} */ (this.walk.plan.loss)).data[0];
    data[at] = this.value;
    return loss;
  }

  /** Returns (L(w + ε) − L(w − ε)) / 2ε. @param {number} epsilon */
  quotient(epsilon) {
    return (this.at(this.value + epsilon) - this.at(this.value - epsilon)) / (2 * epsilon);
  }
}
