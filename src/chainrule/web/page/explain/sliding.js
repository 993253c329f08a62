/**
 * The window of an operation as its explanation needs it: which cell lies under a tap, and how that is written.
 *
 * @typedef {import("./site.js").Site} Site
 * @typedef {import("./notation.js").Index} Index
 */

import { minus, over, plus, times } from "./notation.js";

/** One axis of the window. */
class Axis {
  /**
   * @param {{size: number, window: number, stride: number, before: number, dilation: number, flip: boolean,
   *   outputs: number}} numbers  before: zeros before the first cell
   * @param {{before: string, length: string}} letters
   */
  constructor(numbers, letters) {
    this.size = numbers.size;
    this.window = numbers.window;
    this.stride = numbers.stride;
    this.before = numbers.before;
    this.dilation = numbers.dilation;
    this.flip = numbers.flip;
    this.outputs = numbers.outputs;
    this.letters = letters;
  }

  /**
   * The cell under tap u of the window at position i; outside the picture on padding.
   *
   * @param {number} i @param {number} u
   */
  cell(i, u) {
    return this.stride * i + this.dilation * u - this.before;
  }

  /** The position at which tap u lies on cell h, or why there is none. @param {number} h @param {number} u */
  position(h, u) {
    const reach = h + this.before - this.dilation * u;
    const i = Math.floor(reach / this.stride);
    if (reach !== i * this.stride) return { i, why: "stride" };
    return { i, why: i >= 0 && i < this.outputs ? "" : "padding" };
  }

  /** The entry of the kernel at a tap: the opposite one where it is flipped. @param {number} u */
  turned(u) {
    return this.flip ? this.window - 1 - u : u;
  }

  /** s·i + d·u, from the edge of the padding. @param {Index} i @param {Index} u @param {boolean} numbers */
  writtenCell(i, u, numbers) {
    const [stride, dilation] = this.#steps(numbers);
    return plus(times(stride, i), times(dilation, u));
  }

  /** (h+p−d·u)/s. @param {Index} h @param {Index} u @param {boolean} numbers */
  writtenPosition(h, u, numbers) {
    const [stride, dilation] = this.#steps(numbers);
    const before = numbers || !this.before ? this.before : this.letters.before;
    return over(minus(plus(h, before), times(dilation, u)), stride);
  }

  /** u, or KH−1−u. @param {Index} u @param {boolean} numbers */
  writtenTurned(u, numbers) {
    return this.flip ? minus(numbers ? this.window - 1 : `${this.letters.length}−1`, u) : u;
  }

  /**
   * The tap of an entry of the kernel; of a flipped one in parentheses where it is multiplied.
   *
   * @param {Index} u @returns {Index}
   */
  tapIndex(u) {
    if (typeof u === "number") return this.turned(u);
    const turned = this.writtenTurned(u, false);
    return this.flip && this.dilation > 1 ? `(${turned})` : turned;
  }

  /** @param {boolean} numbers @returns {[Index, Index]} */
  #steps(numbers) {
    if (numbers) return [this.stride, this.dilation];
    return [this.stride > 1 ? "s" : 1, this.dilation > 1 ? "d" : 1];
  }
}

/** Rows, columns and groups of an operation. */
export class Sliding {
  /**
   * @param {Site} site @param {number[]} size  of the picture @param {number[]} kernel  the shape of w
   * @param {number[]} outputs
   */
  constructor(site, size, kernel, outputs) {
    const { stride, padding, dilation, groups, flip } = site.attributes;
    /** @type {(axis: number, before: string, length: string) => Axis} */
    const made = (axis, before, length) => {
      const own = { size: size[axis], window: kernel[2 + axis], stride: stride[axis], before: padding[axis][0] };
      return new Axis({ ...own, dilation: dilation[axis], flip, outputs: outputs[axis] }, { before, length });
    };
    this.rows = made(0, "p", "KH");
    this.columns = made(1, "q", "KW");
    this.groups = groups;
    this.filters = kernel[0] / groups;
    this.channels = kernel[1]; // of a group
  }

  /** All taps of the kernel, row by row. */
  *taps() {
    for (let u = 0; u < this.rows.window; u += 1) {
      for (let v = 0; v < this.columns.window; v += 1) yield [u, v];
    }
  }

  /** Whether the window reaches over an edge of the picture. */
  get padded() {
    return [this.rows, this.columns].some(
      (axis) => axis.before > 0 || axis.cell(axis.outputs - 1, axis.window - 1) >= axis.size,
    );
  }

  /** The first channel that filter o reads. @param {number} o */
  firstChannel(o) {
    return Math.floor(o / this.filters) * this.channels;
  }
}
