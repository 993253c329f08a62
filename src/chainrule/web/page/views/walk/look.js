/**
 * Access to a trace for the stops: its operations by kind, its arrays, its cells.
 *
 * @typedef {import("../../types.js").NDArray} NDArray
 * @typedef {import("../../types.js").Operation} Operation
 * @typedef {import("../../types.js").Trace} Trace
 * @typedef {import("./stop.js").Figure} Figure
 */
import { roughNumber } from "../../numbers_brief.js";
import { ravel, unravel } from "../../engine/tensor.js";
import { explain } from "../../explain/index.js";
import { named } from "../../explain/naming.js";
import { grey, signed } from "../../style/scale.js";

/** Maximum number of rows and columns of a plane that is shown as text. Larger planes are shown as pixels. */
export const TEXT = 12;

export class Look {
  /** @param {Trace} trace */
  constructor(trace) {
    this.trace = trace;
    this.description = trace.description;
  }

  /** Returns the forward operations with a name, in order. @param {string} name */
  operations(name) {
    return this.description.plan.forward.filter((operation) => operation.name === name);
  }

  /**
   * Returns the k-th operation with a name, its layer, and the tensors that it reads and writes; null if there is none.
   * w: the parameters, which belong to another layer if layers share them.
   * @param {string} name @param {number} [k]
   */
  site(name, k = 0) {
    const operation = this.operations(name)[k];
    if (!operation) return null;
    const [read, second] = operation.reads;
    const [write] = operation.writes;
    if (!read) return null;
    const w = second?.kind === "parameter" ? second.storage : "";
    return { operation, layer: write.name.split(".")[0], x: read.storage, y: write.storage, w };
  }

  /**
   * Returns the result of `site` if the operation reads and writes maps; null if it reads or writes a vector.
   * @param {string} name
   * @param {number} [k]
   */
  planar(name, k = 0) {
    const site = this.site(name, k);
    if (!site) return null;
    return [site.x, site.y].every((tensor) => this.array(tensor).shape.length === 3) ? site : null;
  }

  /** Returns whether several layers share the parameters of an operation. @param {{w: string}} site */
  isShared({ w }) {
    const owner = w.split(".")[0];
    return this.description.layers.some((layer) => layer.shares === owner);
  }

  /** @param {string} tensor @returns {NDArray} */
  array(tensor) {
    const found = this.trace.values.get(tensor);
    if (!found) throw new Error(`this trace has no ${tensor}`);
    return found;
  }

  /** @param {string} tensor */
  has(tensor) {
    return this.trace.values.has(tensor);
  }

  /** @param {string} tensor @param {number[]} index */
  value(tensor, index) {
    const { shape, data } = this.array(tensor);
    return data[ravel(index, shape)];
  }

  /** @param {string} cell */
  explain(cell) {
    return explain(this.trace, cell);
  }

  /**
   * Returns the index of the largest value of an array after applying `of`; among equal values, the first.
   * @param {string} tensor @param {(value: number) => number} [of]
   */
  largest(tensor, of = (value) => value) {
    const { shape, data } = this.array(tensor);
    let best = 0;
    for (let k = 1; k < data.length; k++) if (of(data[k]) > of(data[best])) best = k;
    return unravel(best, shape);
  }

  /**
   * Returns a figure of a rectangle of one plane of an array.
   * @param {string} title
   * @param {string} tensor
   * @param {number[]} plane  leading indices of the plane
   * @param {[number, number]} [from]
   * @param {[number, number]} [size]
   * @returns {Figure}
   */
  figure(title, tensor, plane, from = [0, 0], size = undefined) {
    const { shape, data } = this.array(tensor);
    const [rows, columns] = size ?? [shape[shape.length - 2], shape[shape.length - 1]];
    const at = (/** @type {number} */ i, /** @type {number} */ j) => [...plane, from[0] + i, from[1] + j];
    const values = Float64Array.from({ length: rows * columns }, (_, k) => {
      return data[ravel(at(Math.floor(k / columns), k % columns), shape)];
    });
    const never = tensor.endsWith(".y") && !Array.from(data).some((value) => value < 0);
    const picture = rows > TEXT || columns > TEXT;
    const scale = picture && (tensor === "x" || never) ? grey(data) : signed(data);
    return { title, rows, columns, values, scale, name: (i, j) => named(tensor, at(i, j)) };
  }

  /**
   * Returns a figure of a vector, such as scores or probabilities.
   * @param {string} title
   * @param {string} tensor
   * @returns {Figure}
   */
  row(title, tensor) {
    const { data } = this.array(tensor);
    const layer = this.description.layers.find(({ name }) => tensor === `${name}.y`);
    /** @type {import("../../style/scale.js").Scale} */
    const scale = layer?.type === "Softmax" ? { kind: "sequential", low: 0, high: 1 } : signed(data);
    const heads = this.description.classes.length === data.length ? this.description.classes : undefined;
    return {
      heads,
      title,
      rows: 1,
      columns: data.length,
      values: data,
      scale,
      name: (_, j) => named(tensor, [j]),
    };
  }
}

/** Formats a share in per cent. @param {number} value */
export const percent = (value) => (value < 1 && value >= 0.9995 ? ">99.9 %" : `${roughNumber(100 * value)} %`);
