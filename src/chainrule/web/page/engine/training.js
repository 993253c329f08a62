/**
 * Training steps. The state between steps is float32, as in Python; a step is computed in float64.
 *
 * @typedef {import("../types.js").Description} Description
 * @typedef {import("../types.js").Frame} Frame
 * @typedef {{x: (Uint8Array | Float32Array)[], labels: number[], targets?: number[][] | null, weights?: number[][] | null}} Pictures
 *   a batch of images; targets: of each image if they are numbers, which then replace the labels; weights: in the loss
 * @typedef {{parts: Interpreter[], buffers: import("./interpreter.js").Buffers, gradient: Float64Array}} BatchWalk  the
 *   forward and backward passes of the parts of a batch, and the gradient of its mean loss
 * @typedef {{loss: number, accuracy: number, norm: number}} Outcome
 * the mean loss, the fraction of correct predictions, and the norm of each layer's gradient before clipping
 */

import { Interpreter, backwardTo } from "./interpreter.js";
import { isState, normalized, partsOf, targetsOf, weightsOf } from "./trace.js";
import { squares, updated, withoutFrozen } from "./updating.js";

export class Trainer {
  #plan;
  /** @type {Float32Array[]} */
  #moments;

  /** @param {Description} description @param {Frame} frame  the start, with the learning rate; missing moments are 0 */
  constructor(description, frame) {
    this.description = description;
    this.done = frame.step;
    this.rate = frame.rate;
    this.#plan = { ...description.plan, backward: backwardTo(description.plan, ({ kind }) => kind === "gradient") };
    this.parameters = new Float32Array(frame.parameters);
    this.statistics = new Float32Array(frame.statistics);
    const empty = description.optimizer.moments.map(() => new Float32Array(frame.parameters.length));
    this.#moments = frame.moments?.map((moment) => new Float32Array(moment)) ?? empty;
  }

  /**
   * Trains on one batch. If a loss or gradient is not finite, throws an error and leaves the parameters unchanged.
   *
   * @param {Pictures} pictures @param {BatchWalk} [walk]  the forward and backward pass, if it is already computed
   * @returns {Outcome}
   */
  step(pictures, walk = this.walk(pictures)) {
    const { description } = this;
    const step = this.done + 1;
    const { buffers } = walk;
    const outcome = outcomeOf(description, walk);
    walk.parts[walk.parts.length - 1].commitStatistics();
    const finite = [outcome.loss, outcome.norm, ...buffers.statistics].every(Number.isFinite);
    if (!finite) throw new Error(`step ${step}: a number is not finite; the parameters are unchanged`);
    const moments = this.#moments.map((moment) => new Float64Array(moment));
    const results = updated(description, buffers.parameters, walk.gradient, moments, step, this.rate);
    if (results) {
      this.parameters = new Float32Array(results[0]);
      this.#moments = results.slice(1).map((moment) => new Float32Array(moment));
    }
    this.statistics = new Float32Array(buffers.statistics);
    this.done = step;
    return outcome;
  }

  /**
   * Runs forward and backward on a batch, part by part, without changing the parameters.
   *
   * @param {Pictures} pictures @returns {BatchWalk}
   */
  walk(pictures) {
    const { description, done } = this;
    const samples = pictures.x.length;
    const buffers = { parameters: new Float64Array(this.parameters), statistics: new Float64Array(this.statistics) };
    const gradient = new Float64Array(buffers.parameters.length);
    /** @type {Interpreter[]} */
    const parts = [];
    for (const [first, last] of partsOf(description, samples)) {
      const { x, labels, targets, weights } = mapped(pictures, (rows) => rows?.slice(first, last));
      const walk = new Interpreter(this.#plan, description.layout, buffers);
      parts.at(-1)?.commitStatistics(); // the previous part's
      const runtime = { seed: description.recipe.seed, step: done * description.step.parts + parts.length + 1 };
      walk.run(batch(description, x), targetsOf({ labels, targets }, description), runtime, weightsOf(description, x.length, weights));
      walk.gradient.forEach((value, at) => (gradient[at] += (value * (last - first)) / samples));
      parts.push(walk);
    }
    return { parts, buffers, gradient: withoutFrozen(description, gradient) };
  }

  /** Returns the current frame, which shares its arrays with the trainer. @returns {Frame} */
  frame() {
    const { done: step, rate, parameters, statistics } = this;
    return { step, rate, parameters, statistics, moments: this.#moments };
  }
}

/** @template T @param {T} record @param {(value: any) => any} map @returns {T} */
function mapped(record, map) {
  return /** @type {T} */ (Object.fromEntries(Object.entries(/** @type {any} */ (record)).map(([name, value]) => [name, map(value)])));
}

/** Normalizes images for the network, (N, …). @param {Description} description @param {Pictures["x"]} pictures */
function batch(description, pictures) {
  const size = pictures[0].length;
  const data = new Float64Array(pictures.length * size);
  pictures.forEach((x, n) => data.set(normalized(description, { x }), n * size));
  return { shape: [pictures.length, ...description.input_shape], data };
}

/** @param {Description} description @param {BatchWalk} walk @returns {Outcome} */
function outcomeOf(description, walk) {
  const { loss, correct } = walk.parts[0].plan;
  if (!loss || !correct) throw new Error("this plan is for inference: it has no loss");
  const trained = Object.entries(description.layout).filter(([name]) => !isState(description, name));
  const norm = Math.sqrt(trained.reduce((sum, [, [first, last]]) => sum + squares(walk.gradient.subarray(first, last)), 0));
  const all = (/** @type {import("../types.js").Tensor} */ tensor) => mean(walk.parts.flatMap((part) => [...part.read(tensor).data]));
  return { loss: all(loss), accuracy: all(correct), norm };
}

/** @param {ArrayLike<number>} numbers  of the samples, or of all their positions */
function mean(numbers) {
  return Array.from(numbers).reduce((sum, number) => sum + number, 0) / numbers.length;
}
