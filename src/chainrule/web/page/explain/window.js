/**
 * The constants of a convolution's window in equations: stride, dilation, padding and groups.
 *
 * The Python version is in chainrule/explain/equations.py.
 *
 * @typedef {import("./cell_context.js").CellContext} CellContext
 * @typedef {import("./notation.js").Index} Index
 * @typedef {Record<string, Index>} Values
 */

export class Window {
  /** The window of a cross-correlation or of one of its gradients. @param {CellContext} ctx */
  constructor(ctx) {
    const [written, first, second] = [ctx.write.shape, ctx.array(0).shape, ctx.array(1).shape];
    const { stride, dilation, padding, flip, groups } = ctx.attributes;
    const [size, kernel, output] = {
      cross_correlate: [first, second, written],
      cross_correlate_dx: [written, second, first],
      cross_correlate_dw: [first, written, second],
    }[ctx.operation.name] ?? [first, second, written];
    /** Sizes of the image, the output and the kernel, as (rows, columns). */
    this.size = size.slice(-2);
    this.output = output.slice(-2);
    this.kernel = kernel.slice(2);
    this.stride = stride;
    this.dilation = dilation;
    /** Number of zeros before the first row and column. */
    this.before = [padding[0][0], padding[1][0]];
    this.flip = flip;
    this.groups = groups;
    /** Numbers of filters and channels per group. */
    this.filters = kernel[0] / groups;
    this.channels = kernel[1];
  }

  /** Whether the window extends beyond an edge of the image. */
  get padded() {
    return [0, 1].some((axis) => {
      const reach = this.stride[axis] * (this.output[axis] - 1) + this.dilation[axis] * (this.kernel[axis] - 1);
      return this.before[axis] > 0 || reach - this.before[axis] >= this.size[axis];
    });
  }

  /**
   * Returns the group of filter o or channel c, whose index counts over all groups.
   *
   * @param {string} letter @param {number} index
   */
  group(letter, index) {
    return Math.floor(index / (letter === "o" ? this.filters : this.channels));
  }

  /**
   * Returns the letters of the constants on each axis; a constant without effect is replaced by 1 or 0.
   *
   * @returns {Values[]}
   */
  letters() {
    return ["p", "q"].map((padding, axis) => ({
      s: this.stride[axis] > 1 ? "s" : 1,
      d: this.dilation[axis] > 1 ? "d" : 1,
      [padding]: this.before[axis] ? padding : 0,
      ...(this.flip ? { last: `K${"HW"[axis]}−1` } : {}),
      "c₀": this.groups > 1 ? "c₀" : 0,
    }));
  }

  /** Returns the numbers of the constants on each axis, for one group. @param {number} group @returns {Values[]} */
  numbers(group) {
    return ["p", "q"].map((padding, axis) => ({
      s: this.stride[axis],
      d: this.dilation[axis],
      [padding]: this.before[axis],
      ...(this.flip ? { last: this.kernel[axis] - 1 } : {}),
      "c₀": group * this.channels,
    }));
  }

  /** Facts that sentences use. */
  facts() {
    return {
      rows: this.kernel[0],
      columns: this.kernel[1],
      positions: this.output[0] * this.output[1],
      once: this.output[0] * this.output[1] === 1,
      deep: this.channels > 1,
      padded: this.padded,
      strided: Math.max(...this.stride) > 1,
      grouped: this.groups > 1,
      groups: this.groups,
      filters: this.filters,
      channels: this.channels,
    };
  }
}
