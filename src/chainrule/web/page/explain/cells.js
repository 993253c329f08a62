/**
 * Names of the cells of a trace. Every cell has one canonical name and may have aliases.
 *
 * @typedef {import("../types.js").Operation} Operation
 * @typedef {import("../types.js").Tensor} Tensor
 * @typedef {import("../types.js").Trace} Trace
 * @typedef {import("../types.js").Entry} Entry
 * @typedef {import("./naming.js").Cell} Cell
 * @typedef {{operation: Operation, place: number, layer: string}} Writer
 *   the operation that writes a tensor, the tensor's position among its outputs, and the operation's layer
 */

import { ravel, sameShape, text, unravel } from "../engine/tensor.js";
import { named } from "./naming.js";

const CELL = /^\s*([^[\]\s]+)\s*(?:\[([^[\]]*)\]\s*)?$/;
const UPDATE = ".update";
const OF_STEP = ["batch", "moment", "update"]; // kinds of tensors that not every trace has

/** @type {WeakMap<Trace, TensorCatalogue>} */
const catalogues = new WeakMap();

/** Returns the catalogue of a trace, which is built only once. @param {Trace} trace */
export function catalogueOf(trace) {
  let catalogue = catalogues.get(trace);
  if (!catalogue) catalogues.set(trace, (catalogue = new TensorCatalogue(trace)));
  return catalogue;
}

/** All tensors of a trace, in order of computation: those of the description, as far as the trace has their values. */
export class TensorCatalogue {
  /** @param {Trace} trace */
  constructor({ description: { catalogue, layers, plan }, values }) {
    const operations = [...plan.forward, ...plan.deferred, ...plan.backward, ...catalogue.omitted];
    /** @type {[string, Writer][]} */
    const writers = Object.entries(catalogue.writers).map(([name, [number, place, layer]]) => {
      return [name, { operation: operations[number], place, layer }];
    });
    this.writers = new Map(writers);
    const entries = catalogue.entries.filter(({ name, kind }) => !OF_STEP.includes(kind) || values.has(name));
    this.entries = new Map(entries.map((entry) => [entry.name, entry]));
    /** Alias → the tensors that it can denote, each with the shape that the alias's indices refer to. */
    this.aliases = new Map(Object.entries(catalogue.aliases));
    /** Layer → its input tensor, if it has only one. */
    this.inputs = new Map(Object.entries(catalogue.inputs));
    this.layers = layers.map((layer) => layer.name);
  }

  /** @param {string} name @returns {Entry} */
  entry(name) {
    const entry = this.entries.get(name);
    if (!entry) throw this.#unknown(name);
    return entry;
  }

  /**
   * Returns the canonical name of an element, given its index in the operation's shape.
   *
   * @param {Tensor} tensor @param {number[]} index
   */
  cell(tensor, index) {
    const { name, shape } = this.entry(tensor.storage);
    return named(name, sameShape(tensor.shape, shape) ? index : unravel(ravel(index, tensor.shape), shape));
  }

  /**
   * Parses the name of a cell, such as conv2.dw[3,1,0,2]; aliases are accepted.
   *
   * @param {string} cell @returns {Cell}
   */
  read(cell) {
    const match = CELL.exec(cell);
    if (!match) throw new Error(`cell '${cell}': expected TENSOR[i,j,…], such as conv1.y[0,2,3]`);
    const inside = (match[2] ?? "").trim();
    const numbers = inside ? inside.split(",").map((part) => part.trim()) : [];
    if (!numbers.every((number) => /^-?[0-9]{1,9}$/.test(number))) {
      throw new Error(`cell '${cell}': expected whole numbers in brackets, found [${inside}]`);
    }
    return this.find(match[1], numbers.map(Number));
  }

  /**
   * Returns the cell with this tensor name (canonical or an alias) and index.
   *
   * @param {string} name @param {number[]} index @returns {Cell}
   */
  find(name, index) {
    const candidates = this.#candidates(name, index.length);
    const [target, shape] = candidates.find(([, own]) => own.length === index.length) ?? candidates[0];
    const called = index.length ? named(name, index) : `${name}[]`;
    if (shape.length !== index.length) {
      const size = text(shape) || "a single number";
      throw new Error(`${called}: expected ${indices(shape.length)} (${name} is ${size}), found ${index.length}`);
    }
    index.forEach((here, axis) => {
      if (here >= 0 && here < shape[axis]) return;
      throw new Error(`${called}: expected index ${axis} from 0 to ${shape[axis] - 1} (${name} is ${text(shape)})`);
    });
    return { tensor: target, index: unravel(ravel(index, shape), this.entry(target).shape) };
  }

  /**
   * Returns the tensors that a name may denote, the most likely first, with the shapes that indices refer to.
   *
   * @param {string} name @param {number} axes
   * @returns {[string, number[]][]}
   */
  #candidates(name, axes) {
    /** @type {[string, number[]][]} */
    const candidates = [];
    const own = this.entries.get(name);
    if (own) candidates.push([name, own.shape]);
    const others = this.aliases.get(name) ?? [];
    candidates.push(...others);
    for (const [target] of others) if (target !== name) candidates.push([target, this.entry(target).shape]);
    if (!candidates.length && name.endsWith(UPDATE)) candidates.push(...this.#updates(name, axes));
    if (!candidates.length) throw this.#unknown(name);
    return candidates;
  }

  /**
   * Resolves a name such as conv2.update: returns the layer's parameters with this number of axes.
   *
   * @param {string} name @param {number} axes
   * @returns {[string, number[]][]}
   */
  #updates(name, axes) {
    const layer = name.slice(0, -UPDATE.length);
    const own = [...this.entries.values()].filter(
      (entry) => entry.kind === "update" && entry.name.startsWith(`${layer}.`),
    );
    const matching = own.filter((entry) => entry.shape.length === axes);
    if (matching.length > 1) {
      throw new Error(`${name} is ambiguous; use one of ${matching.map((entry) => entry.name).join(", ")}`);
    }
    return (matching.length ? matching : own).map((entry) => [entry.name, entry.shape]);
  }

  /** @param {string} name */
  #unknown(name) {
    const layer = name.split(".", 1)[0];
    const own = name.slice(layer.length + 1);
    const names = [...new Set([...this.entries.keys(), ...this.aliases.keys()])];
    const ofLayer = names.filter((full) => full.startsWith(`${layer}.`));
    if (own && ofLayer.length) {
      const parts = ofLayer.map((full) => full.slice(layer.length + 1));
      return new Error(`${layer} has no '${own}'; it has: ${parts.join(", ")}`);
    }
    const layers = [...this.layers, "loss"].join(", ");
    return new Error(`there is no tensor '${name}' in this trace (layers: ${layers}; others: x, t, dx)`);
  }
}

/** @param {number} many */
function indices(many) {
  return { 0: "no indices", 1: "1 index" }[many] ?? `${many} indices`;
}
