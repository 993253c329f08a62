/**
 * A trace: one training step on one image, computed in float64, with all arrays.
 *
 * @typedef {import("../types.js").NDArray} NDArray
 * @typedef {import("../types.js").BatchStep} BatchStep
 * @typedef {import("../types.js").Description} Description
 * @typedef {import("../types.js").Frame} Frame
 * @typedef {import("../types.js").Nudge} Nudge
 * @typedef {import("../types.js").Picture} Picture
 * @typedef {import("../types.js").Trace} Trace
 * @typedef {import("../types.js").Tensor} Tensor
 * @typedef {Float32Array | Float64Array} Flat  values of all parameters or statistics
 */

import { Interpreter, argumentsOf, gradientName, perSample, primal } from "./interpreter.js";
import { operations } from "./operations.js";
import { softmax } from "./reference.js";
import { placeOfLargest, zeros } from "./tensor.js";
import { clipping, squares, updated, withoutFrozen } from "./updating.js";

/**
 * Normalizes an image for the network: (value − origin) · gain.
 *
 * @param {Description} description @param {Pick<Picture, "x">} picture
 */
export function normalized(description, { x }) {
  const [channels] = description.input_shape;
  const constants = Array.from({ length: channels }, (_, channel) => factors(description, channel, x));
  return Float64Array.from(x, (value, place) => {
    const { origin, gain } = constants[Math.floor((place * channels) / x.length)];
    return (value - origin) * gain;
  });
}

/**
 * Returns the numbers by which the values of a channel are normalized. Bytes are first converted to the unit of training.
 *
 * @param {Description} description @param {number} channel @param {Picture["x"]} x
 */
export function factors({ normalization }, channel, x) {
  const [origin, gain] = [normalization.origin, normalization.gain].map((values) => (typeof values === "number" ? values : values[channel]));
  const unit = x instanceof Uint8Array ? (normalization.white ?? 255) / 255 : 1;
  return { origin: origin / unit, gain: gain * unit };
}

/**
 * Computes the network's output in inference.
 *
 * @param {Description} description @param {Frame} frame @param {Picture} picture
 * @param {Nudge | null} nudge  a number to change
 * @returns {{probabilities: number[]}}  for a single yes/no output those of no and yes; for regression the outputs; for
 *   a dense prediction the means over its positions
 */
export function answer(description, frame, picture, nudge = null) {
  const walk = new Interpreter(description.inference, description.layout, buffersOf(frame));
  const x = input(description, picture);
  applyNudge(nudge, walk, x, description);
  walk.run(x, null);
  const output = walk.read(description.inference.output);
  const logits = description.recipe.loss === "softmax_cross_entropy";
  const p = meansOfChannels(logits ? softmax(output) : output);
  const isYesOrNo = description.thresholds.length === 1;
  return { probabilities: isYesOrNo ? [1 - p[0], p[0]] : inUnits(description, p) };
}

/**
 * Returns the class that probabilities mean, as `Model.predict_classes` does. For a single output, it is 1 if the
 * probability of yes reaches the threshold. Otherwise, it is the most likely class.
 *
 * @param {number[]} probabilities  as in `answer` @param {Pick<Description, "thresholds">} description
 */
export function classOf(probabilities, { thresholds }) {
  return thresholds.length === 1 ? Number(probabilities[1] >= thresholds[0]) : placeOfLargest(probabilities);
}

/** Returns numbers of the outputs in the units of the targets. @param {Description} description @param {number[]} outputs */
export function inUnits({ step: { scaling } }, outputs) {
  return scaling ? outputs.map((output, k) => output * scaling.deviations[k] + scaling.means[k]) : outputs;
}

/**
 * Computes the forward pass, the loss, the backward pass and the update for one image, in float64 from the float32
 * parameters.
 *
 * If an image has neither a label nor a target and `label` is not given, the network's prediction is used instead.
 *
 * @param {Description} description @param {Frame} frame @param {Picture} picture
 * @param {{label?: number, batch?: BatchStep | null, nudge?: Nudge | null}} options
 *   batch: the training step with the updates of the trace; nudge: a number to change
 * @returns {Trace}
 */
export function makeTrace(description, frame, picture, options = {}) {
  const { plan, layout } = description;
  const buffers = buffersOf(frame);
  const walk = new Interpreter(plan, layout, buffers);
  const target = picture.target ?? (description.measure === "mean_absolute_error" ? predicted(description, frame, picture) : null);
  const label = options.label ?? picture.label ?? (target ? null : classOf(answer(description, frame, picture).probabilities, description));
  const t = targetsOf({ labels: [label], targets: target ? [target] : null }, description);
  const { nudge = null } = options;
  const x = input(description, picture);
  applyNudge(nudge, walk, x, description);
  const weights = weightsOf(description, 1, picture.weights ? [picture.weights] : null);
  walk.run(x, t, runtimeOf({ description, frame, picture, batch: options.batch ?? null }), weights);

  const values = parameterValues(description, buffers);
  values.set("x", { shape: plan.input.shape, data: walk.read(plan.input).data });
  values.set("t", { shape: t.shape.slice(1), data: t.data });
  if (weights) values.set("weights", { shape: weights.shape.slice(1), data: weights.data });
  writtenValues(walk, values);
  omittedValues(description, walk, values);
  const batch = options.batch ?? null;
  if (batch) updates(description, frame, values, { ...batch.after, gradient: batch.gradient });
  else stepAlone(description, frame, walk, values);
  return { description, frame, picture: { ...picture, label }, values, batch, nudge };
}

/**
 * Returns the values of a training step that do not depend on an image: parameters, gradients and moments.
 *
 * @param {Description} description @param {Frame} frame @param {BatchStep} batch
 */
export function stepValues(description, frame, batch) {
  const values = parameterValues(description, buffersOf(frame));
  updates(description, frame, values, { ...batch.after, gradient: batch.gradient });
  return values;
}

/**
 * Returns the parameters and running statistics by name.
 *
 * @param {Description} description @param {import("./interpreter.js").Buffers} buffers @returns {Map<string, NDArray>}
 */
function parameterValues(description, { parameters, statistics }) {
  return new Map(
    Object.entries(description.shapes).map(([name, shape]) => {
      const buffer = isState(description, name) ? statistics : parameters;
      return [name, { shape, data: buffer.slice(...description.layout[name]) }];
    }),
  );
}

/** Returns the norm of the gradient of the parameters that are trained, and the clipping factor. @param {Trace} trace */
export function clippingOf({ description, values, batch }) {
  if (batch) return batch;
  const trained = Object.keys(description.layout).filter((name) => !description.step.frozen.includes(name));
  const parts = trained.map((name) => values.get(gradientName(name))?.data ?? []);
  const norm = Math.sqrt(parts.reduce((sum, part) => sum + squares(part), 0));
  return { norm, scale: clipping(norm, description.recipe.clip_norm) };
}

/**
 * Returns the targets of images with a batch axis, as training uses them: known targets, or their labels one-hot, smoothed.
 *
 * @param {{labels: (number | null)[], targets?: number[][] | null}} answers  a dense target is in row-major order
 * @param {Description} description
 */
export function targetsOf({ labels, targets }, description) {
  if (!targets) return smoothed(oneHot(labels.map(Number), description), description.step.smoothing);
  const t = zeros([targets.length, ...(description.plan.target?.shape ?? [targets[0].length])]);
  targets.forEach((target, n) => t.data.set(target, n * target.length));
  return t;
}

/**
 * Returns the weights of images in the loss, with a batch axis. Without known weights they are 1; null if training has none.
 *
 * @param {Description} description @param {number} count @param {number[][] | null} [known]
 */
export function weightsOf({ plan: { weights } }, count, known) {
  if (!weights) return null;
  const all = zeros([count, ...weights.shape], 1);
  known?.forEach((own, n) => all.data.set(own, n * own.length));
  return all;
}

/** Spreads a share of each target over all outputs. @param {NDArray} t @param {number} share */
function smoothed(t, share) {
  if (share) t.data.forEach((value, at) => (t.data[at] = value * (1 - share) + share / t.shape[1]));
  return t;
}

/**
 * Returns the edges of the parts of a batch whose gradients are computed one after the other.
 * @param {Description} description @param {number} samples
 */
export function partsOf({ step: { parts } }, samples) {
  const count = Math.min(parts, samples);
  return Array.from({ length: count }, (_, part) => [part, part + 1].map((edge) => Math.floor((edge * samples) / count)));
}

/**
 * Returns what the random numbers of a traced image depend on: the seed, the number of the step or part, and its place there.
 * @param {Pick<Trace, "description" | "frame" | "picture" | "batch">} traced
 */
export function runtimeOf({ description, frame, picture: { place = 0 }, batch }) {
  const edges = partsOf(description, batch?.numbers.length ?? 1);
  const part = Math.max(0, edges.findIndex(([, last]) => place < last));
  return { seed: description.recipe.seed, step: frame.step * description.step.parts + part + 1, first: place - edges[part][0] };
}

/** Returns the mean of each channel of an output (1, K, …). @param {NDArray} output */
export function meansOfChannels({ shape, data }) {
  const positions = data.length / shape[1];
  return Array.from({ length: shape[1] }, (_, k) => {
    let total = 0;
    for (let at = k * positions; at < (k + 1) * positions; at += 1) total += data[at];
    return total / positions;
  });
}

/**
 * Returns the labels as one-hot rows or, for a single output, the labels themselves (0 or 1). For dense predictions, the
 * label is that of every position.
 *
 * @param {number[]} labels @param {Description} description
 */
function oneHot(labels, description) {
  const [K, ...positions] = description.plan.target?.shape ?? [description.classes.length];
  const t = zeros([labels.length, K, ...positions]);
  const count = t.data.length / (labels.length * K);
  labels.forEach((label, n) => {
    const labels = Math.max(K, 2);
    const isValid = label >= 0 && label < labels;
    if (!isValid && (K > 1 || description.measure === "accuracy")) throw new Error(`label ${label}: expected one from 0 to ${labels - 1}`);
    if (K === 1) t.data.fill(label, n * count, (n + 1) * count);
    else t.data.fill(1, (n * K + label) * count, (n * K + label + 1) * count);
  });
  return t;
}

/** Returns whether a name denotes a running statistic or a constant. @param {Description} description @param {string} name */
export function isState({ trained }, name) {
  return !trained.includes(name);
}

/** Converts parameters and running statistics to float64. @param {Frame} frame */
export function buffersOf(frame) {
  return { parameters: new Float64Array(frame.parameters), statistics: new Float64Array(frame.statistics) };
}

/**
 * Returns the moments in float64: zeros before the first step, null if they were not stored.
 *
 * @param {Description} description @param {Frame} frame
 */
function momentsOf({ optimizer }, frame) {
  if (frame.moments) return frame.moments.map((moment) => new Float64Array(moment));
  if (!knowsUpdate({ optimizer }, frame)) return null;
  return optimizer.moments.map(() => new Float64Array(frame.parameters.length));
}

/**
 * Returns whether the update after a frame can be computed: it cannot if the optimizer's moments were not stored.
 *
 * @param {Pick<Description, "optimizer">} description @param {Frame} frame
 */
export function knowsUpdate({ optimizer }, frame) {
  return frame.moments !== null || frame.step === 0 || !optimizer.moments.length;
}

/** @param {Description} description @param {Picture} picture @returns {NDArray} */
export function input(description, picture) {
  return { shape: [1, ...description.input_shape], data: normalized(description, picture) };
}

/**
 * Changes a number of the input or of a parameter, or of an activation once it is computed.
 * @param {Nudge | null} nudge @param {Interpreter} walk @param {NDArray} x @param {Description} description
 */
function applyNudge(nudge, walk, x, { plan, layout }) {
  if (nudge?.tensor === plan.input.storage) x.data[nudge.flat] = nudge.value;
  else if (nudge && nudge.tensor in layout) walk.buffers.parameters[layout[nudge.tensor][0] + nudge.flat] = nudge.value;
  else walk.nudge = nudge;
}

/** The network's outputs, as a target. @param {Description} description @param {Frame} frame @param {Picture} picture */
function predicted(description, frame, picture) {
  const walk = new Interpreter(description.inference, description.layout, buffersOf(frame));
  walk.run(input(description, picture), null);
  return [...walk.read(description.inference.output).data];
}

/**
 * Collects the results of the operations, in the shape of the operation; a gradient has the shape of
 * its tensor.
 *
 * @param {Interpreter} walk @param {Map<string, NDArray>} values
 */
function writtenValues(walk, values) {
  const { forward, backward, loss, correct } = walk.plan;
  const results = new Map([loss, correct].map((tensor) => [tensor?.storage, tensor?.shape]));
  for (const [list, gradients] of /** @type {const} */ ([[forward, false], [backward, true]])) {
    for (const tensor of list.flatMap((operation) => operation.writes)) {
      const shape = gradients ? values.get(primal(tensor.storage))?.shape : results.get(tensor.storage);
      const { data } = walk.read(tensor);
      values.set(tensor.storage, { shape: shape ?? tensor.shape, data: perSample(tensor) ? data : data.slice() });
    }
  }
}

/**
 * Adds what a plan omits: the probabilities and their gradient, if it joins their layer with the loss, and the gradients of
 * frozen parameters, which are 0.
 *
 * @param {Description} description @param {Interpreter} walk @param {Map<string, NDArray>} values
 */
function omittedValues({ catalogue }, walk, values) {
  for (const operation of catalogue.omitted) {
    const arrays = operation.reads.map((tensor) => tensor && { shape: [1, ...tensor.shape], data: values.get(tensor.storage)?.data ?? new Float64Array() });
    const results = operations[operation.name](arrays, argumentsOf(operation, walk.runtimeValues));
    operation.writes.forEach(({ storage, shape }, place) => values.set(storage, { shape, data: results[place].data }));
  }
  for (const { name, kind, shape } of catalogue.entries) if (kind === "gradient" && !values.has(name)) values.set(name, zeros(shape));
}

/**
 * Adds the parameters and running statistics after a step, the moments before it, and the gradient of its batch.
 *
 * @param {Description} description @param {Frame} frame @param {Map<string, NDArray>} values
 * @param {{parameters?: Flat, statistics: Flat, gradient?: Flat}} after
 */
function updates(description, frame, values, { parameters, statistics, gradient }) {
  const moments = momentsOf(description, frame);
  for (const [name, shape] of Object.entries(description.shapes)) {
    const set = (/** @type {string} */ part, /** @type {Flat | undefined} */ flat) =>
      flat && values.set(`${name}.${part}`, { shape, data: new Float64Array(flat.subarray(...description.layout[name])) });
    if (isState(description, name)) {
      if (description.catalogue.writers[`${name}.update`]) set("update", statistics);
      continue;
    }
    set("g", gradient);
    description.optimizer.moments.forEach((moment, place) => set(moment, moments?.[place]));
    set("update", parameters);
  }
}

/**
 * Adds a step on the image alone.
 *
 * @param {Description} description @param {Frame} frame @param {Interpreter} walk @param {Map<string, NDArray>} values
 */
function stepAlone(description, frame, walk, values) {
  const { parameters, statistics } = walk.buffers;
  const moments = momentsOf(description, frame);
  const gradient = withoutFrozen(description, walk.gradient);
  const results = updated(description, parameters, gradient, moments, frame.step + 1, frame.rate);
  walk.commitStatistics();
  updates(description, frame, values, { parameters: results?.[0], statistics });
}
