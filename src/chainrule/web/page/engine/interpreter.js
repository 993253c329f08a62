/**
 * Runs a plan one operation at a time and keeps all arrays for inspection.
 *
 * @typedef {import("../types.js").NDArray} NDArray
 * @typedef {import("../types.js").Nudge} Nudge
 * @typedef {import("../types.js").Plan} Plan
 * @typedef {import("../types.js").Operation} Operation
 * @typedef {import("../types.js").Tensor} Tensor
 * @typedef {{parameters: Float64Array, statistics: Float64Array}} Buffers  flat
 * @typedef {{seed: number, step: number, first?: number}} Runtime  first: index of the first sample within its batch
 */

import { operations } from "./operations.js";

const PER_SAMPLE = new Set(["input", "target", "activation"]);

/** Returns whether a tensor has a sample axis. @param {Tensor} tensor */
export function perSample(tensor) {
  return PER_SAMPLE.has(tensor.kind);
}

/** Returns whether the samples of a batch depend on each other in training. @param {{plan: Plan}} description */
export function isCoupled({ plan }) {
  return plan.forward.some(({ scope }) => scope === "batch");
}

/**
 * Returns the attributes of an operation, including those that depend on runtime values.
 *
 * @param {Operation} operation @param {Record<string, number>} runtimeValues
 */
export function argumentsOf(operation, runtimeValues) {
  const runtime = Object.entries(operation.runtime).map(([name, [what, times]]) => [name, runtimeValues[what] * times]);
  return { ...operation.attributes, ...Object.fromEntries(runtime) };
}

/**
 * Returns the operations of the backward pass from which some tensors follow, in order.
 *
 * @param {Plan} plan @param {(tensor: Tensor) => boolean} isWanted
 */
export function backwardTo({ backward }, isWanted) {
  /** @type {Set<string>} */
  const needed = new Set();
  /** @type {Operation[]} */
  const selected = [];
  for (const operation of [...backward].reverse()) {
    if (!operation.writes.some((tensor) => isWanted(tensor) || needed.has(tensor.storage))) continue;
    for (const tensor of operation.reads) if (tensor) needed.add(tensor.storage);
    selected.unshift(operation);
  }
  return selected;
}

export class Interpreter {
  /**
   * @param {Plan} plan @param {Record<string, [number, number]>} layout  name of a parameter or running statistic →
   *   range in the flat buffer
   * @param {Buffers} buffers
   */
  constructor(plan, layout, buffers) {
    this.plan = plan;
    this.gradient = new Float64Array(buffers.parameters.length);
    /**
     * The arrays of the last run by storage name. Activations have the batch axis first.
     *
     * @type {Map<string, NDArray>}
     */
    this.values = new Map();
    /** @type {Record<string, number>} */
    this.runtimeValues = {};
    /** @type {Nudge | null} a number of an activation to change once it is computed */
    this.nudge = null;
    this.layout = layout;
    this.buffers = buffers;
  }

  /**
   * Runs forward and, for a training plan, backward. `gradient` is then the gradient of the mean loss.
   *
   * @param {NDArray} x  (N, …) @param {NDArray | null} t  (N, K), for a training plan @param {Runtime} runtime
   * @param {NDArray | null} weights  in the loss, (N,) or (N, 2, …)
   */
  run(x, t, { seed, step, first = 0 } = { seed: 0, step: 0 }, weights = null) {
    this.runtimeValues = { batch: x.shape[0], first, seed, step };
    this.values.set(this.plan.input.storage, x);
    if (t && this.plan.target) this.values.set(this.plan.target.storage, t);
    if (weights && this.plan.weights) this.values.set(this.plan.weights.storage, weights);
    this.gradient.fill(0);
    this.walk(this.plan.forward);
    this.walk(this.plan.backward);
  }

  /** Updates the running statistics with the last batch. */
  commitStatistics() {
    this.walk(this.plan.deferred);
  }

  /** @param {Operation[]} list */
  walk(list) {
    for (const operation of list) {
      const run = operations[operation.name];
      if (operation.is_custom || !run) {
        throw new Error(`${operation.writes[0].name}: this page cannot compute ${operation.name}; only Python can`);
      }
      const arrays = operation.reads.map((tensor) => tensor && this.read(tensor));
      const results = run(arrays, argumentsOf(operation, this.runtimeValues));
      operation.writes.forEach((tensor, place) => {
        this.#write(tensor, results[place]);
        if (tensor.storage === this.nudge?.tensor) results[place].data[this.nudge.flat] = this.nudge.value;
      });
    }
  }

  /** Returns the array of a tensor, in the tensor's shape. @param {Tensor} tensor @returns {NDArray} */
  read(tensor) {
    const view = this.#view(tensor);
    if (view) return { shape: tensor.shape, data: view };
    const array = this.values.get(tensor.storage);
    if (!array) throw new Error(`${tensor.storage} is read before it is written`);
    return { shape: perSample(tensor) ? [this.runtimeValues.batch, ...tensor.shape] : tensor.shape, data: array.data };
  }

  /** @param {Tensor} tensor @param {NDArray} result */
  #write(tensor, result) {
    const view = this.#view(tensor);
    if (view) view.set(result.data);
    else this.values.set(tensor.storage, result);
  }

  /** Returns the view of a tensor in its flat buffer; null if it is in no buffer. @param {Tensor} tensor */
  #view(tensor) {
    if (tensor.kind === "gradient") {
      const [first, last] = this.layout[primal(tensor.storage)];
      return this.gradient.subarray(first, last);
    }
    if (tensor.kind !== "parameter" && tensor.kind !== "state") return null;
    const [first, last] = this.layout[tensor.storage];
    const buffer = tensor.kind === "parameter" ? this.buffers.parameters : this.buffers.statistics;
    return buffer.subarray(first, last);
  }
}

/** Returns the name of the tensor of a gradient: conv1.w for conv1.dw, x for dx. @param {string} name */
export function primal(name) {
  const dot = name.lastIndexOf(".");
  return `${name.slice(0, dot + 1)}${name.slice(dot + 2)}`;
}

/**
 * Returns the name of the part of a tensor's gradient that comes from one of the layers that read it.
 *
 * @param {string} name @param {string} through
 */
export function gradientPart(name, through) {
  return `${gradientName(name)}_${through}`;
}

/** Returns the name of a tensor's gradient: conv1.dw for conv1.w, dx for x. @param {string} name */
export function gradientName(name) {
  const dot = name.lastIndexOf(".");
  return `${name.slice(0, dot + 1)}d${name.slice(dot + 1)}`;
}
