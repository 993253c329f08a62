/**
 * An element written by an operation, with all data needed to explain it.
 *
 * @typedef {import("../types.js").NDArray} NDArray
 * @typedef {import("../types.js").Operation} Operation
 * @typedef {import("../types.js").Tensor} Tensor
 * @typedef {import("../types.js").Trace} Trace
 * @typedef {import("../types.js").Factor} Factor
 * @typedef {import("../types.js").Step} Step
 * @typedef {import("../types.js").Term} Term
 * @typedef {import("./cells.js").TensorCatalogue} TensorCatalogue
 * @typedef {import("./cells.js").Writer} Writer
 */

import { argumentsOf, gradientName, gradientPart } from "../engine/interpreter.js";
import { ravel, unravel } from "../engine/tensor.js";
import { runtimeOf } from "../engine/trace.js";
import { DIGITS, bracketed, formatNumber } from "./numbers.js";
import { fill } from "./words.js";

export class CellContext {
  /** @type {NDArray[]} */
  #arrays = [];

  /**
   * @param {Trace} trace @param {TensorCatalogue} catalogue @param {string} name  canonical name of the tensor
   * @param {number[]} index  index of the element in the canonical shape @param {Writer} writer
   * @param {number} [digits]  significant digits of numbers in texts
   */
  constructor(trace, catalogue, name, index, { operation, place, layer }, digits = DIGITS) {
    this.digits = digits;
    this.trace = trace;
    this.catalogue = catalogue;
    this.name = name;
    this.operation = operation;
    this.place = place;
    this.layer = layer;
    this.write = operation.writes[place];
    /** Index of the element in the operation's shape. */
    this.own = unravel(ravel(index, catalogue.entry(name).shape), this.write.shape);
    this.attributes = argumentsOf(operation, { batch: 1, ...runtimeOf(trace) });
  }

  /**
   * Returns the applicable sentences about the operation, or those stored under another name.
   *
   * @param {Record<string, any>} [facts] @param {string} [name]
   */
  sentences(facts = {}, name = this.operation.name) {
    return fill(this.trace.description.operations[name].words, facts);
  }

  /** The shape of the output. */
  get shape() {
    return this.write.shape;
  }

  /** Height and width of the output. */
  get size() {
    return this.shape.slice(-2);
  }

  /** The value of the element. */
  get value() {
    return this.#values(this.name)[ravel(this.own, this.shape)];
  }

  /** The input at a position. @param {number} read @returns {Tensor} */
  tensor(read) {
    const tensor = this.operation.reads[read];
    if (!tensor) throw new Error(`${this.operation.name} has no input ${read}`);
    return tensor;
  }

  /** Whether there is an input at a position; a bias may be missing. @param {number} read */
  reads(read) {
    return Boolean(this.operation.reads[read]);
  }

  /** The array of an input, in the operation's shape. @param {number} read @returns {NDArray} */
  array(read) {
    if (!this.#arrays[read]) {
      const tensor = this.tensor(read);
      this.#arrays[read] = { shape: tensor.shape, data: this.#values(tensor.storage) };
    }
    return this.#arrays[read];
  }

  /** The array of another result of the operation. @param {number} place @returns {NDArray} */
  resultArray(place) {
    const { shape, storage } = this.operation.writes[place];
    return { shape, data: this.#values(storage) };
  }

  /** An element of an input. @param {number} read @param {number[]} index */
  number(read, index) {
    const { shape, data } = this.array(read);
    return data[ravel(index, shape)];
  }

  /** The canonical name of an element of an input. @param {number} read @param {number[]} index */
  cell(read, index) {
    return this.catalogue.cell(this.tensor(read), index);
  }

  /** An element of an input as a factor. @param {number} read @param {number[]} index @returns {Factor} */
  factor(read, index) {
    return { name: this.symbolOf(read), cell: this.cell(read, index), value: this.number(read, index), gap: null };
  }

  /** The name of an input in equations: x, w, dy. @param {number} read */
  symbolOf(read) {
    return this.#symbol(this.tensor(read));
  }

  /** The name of the output in equations. */
  get result() {
    return this.#symbol(this.write);
  }

  /**
   * Returns a number as text, with enough digits to tell it from the other numbers.
   *
   * @param {number} value @param {number[]} others
   */
  text(value, ...others) {
    return formatNumber(value, this.digits, others);
  }

  /** Returns a number for use in an equation; see `text`. @param {number} value @param {number[]} others */
  operand(value, ...others) {
    return bracketed(value, this.digits, others);
  }

  /** @param {Tensor} tensor */
  #symbol(tensor) {
    const source = this.catalogue.inputs.get(this.layer);
    const letter = this.layer === "loss" ? "p" : "x";
    if (tensor.storage === source) return letter;
    if (source !== undefined && [gradientName(source), gradientPart(source, this.layer)].includes(tensor.storage)) {
      return `d${letter}`;
    }
    const dot = tensor.name.lastIndexOf(".");
    const own = source !== undefined || tensor.name.slice(0, dot) === this.layer;
    return own ? tensor.name.slice(dot + 1) : tensor.name; // one of several inputs
  }

  /** @param {string} name */
  #values(name) {
    const array = this.trace.values.get(name);
    if (!array) throw new Error(`this trace has no ${name}`);
    return array.data;
  }
}

/**
 * The product of factors; it is 0 if a factor is a zero of padding or stride, even if another factor is NaN.
 *
 * @param {Factor[]} factors @returns {Term}
 */
export function term(...factors) {
  let value = 1;
  for (const factor of factors) value *= factor.value;
  return { factors, value: factors.some((factor) => factor.gap) ? 0 : value };
}
