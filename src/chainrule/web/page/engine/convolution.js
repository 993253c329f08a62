/**
 * Cross-correlation and its two gradients. All three compute the same products; they differ in where these are added.
 *
 * `eachRow` visits the rows of positions (i, j) where a kernel cell (o, c, u, v) lies on the image, so that the loops
 * along a row need no condition. ij is the offset in y, k the offset in x, and `at` the offset of the weight. If four
 * filters read the same channel, they are visited together, so that a row is read once for four products.
 *
 * @typedef {import("../types.js").NDArray} NDArray
 * @typedef {import("./shapes.js").Pair} Pair
 * @typedef {import("./shapes.js").Padding} Padding
 * @typedef {import("./shapes.js").Axis} Axis
 * @typedef {import("./shapes.js").Tap} Tap
 * @typedef {{stride?: Pair, padding?: Padding, dilation?: Pair, groups?: number, flip?: boolean}} Options
 * @typedef {{N: number, C_out: number, C_group: number, groups: number, flip: boolean, rows: Axis, columns: Axis,
 *   down: Tap[], across: Tap[]}} Walk  down and across: the kernel's vertical and horizontal taps
 * @typedef {(at: number, from: number, end: number, k: number) => void} Visit
 * a row of positions: ij from `from` (inclusive) to `end` (exclusive); the first position lies on cell k of x
 */

import { add_bias } from "./reference.js";
import { sliding, tapsOf } from "./shapes.js";
import { zeros } from "./tensor.js";

/** @type {Required<Options>} */
const DEFAULTS = {
  stride: [1, 1],
  padding: [
    [0, 0],
    [0, 0],
  ],
  dilation: [1, 1],
  groups: 1,
  flip: false,
};
const FOUR = 4;

/**
 * Slides every kernel over the image and adds the bias.
 *
 * y[n,o,i,j] = b[o] + Σ_{c,u,v} x̄[n,c, s·i + d·u, s·j + d·v] · w[o,c,u,v]        x̄: x padded with zeros
 *
 * @param {NDArray} x  (N, C_in, H, W) @param {NDArray} w  (C_out, C_in/groups, KH, KW)
 * @param {NDArray | null} b  (C_out,) or (C_out, H', W') @param {Options} options
 * @returns {NDArray}  (N, C_out, H', W')
 */
export function cross_correlate(x, w, b, options) {
  const walk = geometryOf(x.shape, w.shape, options);
  const y = zeros([walk.N, walk.C_out, walk.rows.outputs, walk.columns.outputs]);
  const [X, W, Y] = [x.data, w.data, y.data];
  const { filter, plane, step } = strides(walk);
  /** @type {Visit} */
  const visitOne = (at, from, end, k) => {
    const weight = W[at];
    for (let ij = from, cell = k; ij < end; ij += 1, cell += step) Y[ij] += X[cell] * weight;
  };
  /** @type {Visit} */
  const visitFour = (at, from, end, k) => {
    const [w0, w1, w2, w3] = [W[at], W[at + filter], W[at + 2 * filter], W[at + 3 * filter]];
    for (let ij = from, cell = k; ij < end; ij += 1, cell += step) {
      const value = X[cell];
      Y[ij] += value * w0;
      Y[ij + plane] += value * w1;
      Y[ij + 2 * plane] += value * w2;
      Y[ij + 3 * plane] += value * w3;
    }
  };
  eachRow(walk, visitOne, visitFour);
  return b ? add_bias(y, b) : y;
}

/**
 * dx[n,c,h,k] = Σ_{o,i,j,u,v} dy[n,o,i,j] · w[o,c,u,v]        where h = s·i + d·u − p_top, k = s·j + d·v − p_left
 *
 * @param {NDArray} dy  (N, C_out, H', W') @param {NDArray} w
 * @param {Options & {size: Pair}} options  size: (H, W) of x
 * @returns {NDArray}  (N, C_in, H, W)
 */
export function cross_correlate_dx(dy, w, options) {
  const shape = [dy.shape[0], (options.groups ?? 1) * w.shape[1], ...options.size];
  const walk = geometryOf(shape, w.shape, options);
  const dx = zeros(shape);
  const [DX, W, DY] = [dx.data, w.data, dy.data];
  const { filter, plane, step } = strides(walk);
  /** @type {Visit} */
  const visitOne = (at, from, end, k) => {
    const weight = W[at];
    for (let ij = from, cell = k; ij < end; ij += 1, cell += step) DX[cell] += DY[ij] * weight;
  };
  /** @type {Visit} */
  const visitFour = (at, from, end, k) => {
    const [w0, w1, w2, w3] = [W[at], W[at + filter], W[at + 2 * filter], W[at + 3 * filter]];
    for (let ij = from, cell = k; ij < end; ij += 1, cell += step) {
      const [first, second] = [DY[ij] * w0, DY[ij + plane] * w1];
      DX[cell] += first + second + DY[ij + 2 * plane] * w2 + DY[ij + 3 * plane] * w3;
    }
  };
  eachRow(walk, visitOne, visitFour);
  return dx;
}

/**
 * dw[o,c,u,v] = Σ_{n,i,j} dy[n,o,i,j] · x̄[n,c, s·i + d·u, s·j + d·v]
 *
 * @param {NDArray} x  (N, C_in, H, W) @param {NDArray} dy  (N, C_out, H', W')
 * @param {Options & {kernel: Pair}} options  kernel: (KH, KW) of w
 * @returns {NDArray}  (C_out, C_in/groups, KH, KW)
 */
export function cross_correlate_dw(x, dy, options) {
  const shape = [dy.shape[1], Math.floor(x.shape[1] / (options.groups ?? 1)), ...options.kernel];
  const walk = geometryOf(x.shape, shape, options);
  const dw = zeros(shape);
  const [X, DW, DY] = [x.data, dw.data, dy.data];
  const { filter, plane, step } = strides(walk);
  /** @type {Visit} */
  const visitOne = (at, from, end, k) => {
    let sum = 0;
    for (let ij = from, cell = k; ij < end; ij += 1, cell += step) sum += DY[ij] * X[cell];
    DW[at] += sum;
  };
  /** @type {Visit} */
  const visitFour = (at, from, end, k) => {
    let [sum0, sum1, sum2, sum3] = [0, 0, 0, 0];
    for (let ij = from, cell = k; ij < end; ij += 1, cell += step) {
      const value = X[cell];
      sum0 += DY[ij] * value;
      sum1 += DY[ij + plane] * value;
      sum2 += DY[ij + 2 * plane] * value;
      sum3 += DY[ij + 3 * plane] * value;
    }
    DW[at] += sum0;
    DW[at + filter] += sum1;
    DW[at + 2 * filter] += sum2;
    DW[at + 3 * filter] += sum3;
  };
  eachRow(walk, visitOne, visitFour);
  return dw;
}

/**
 * Returns the strides between filters in w (filter), between planes in y (plane), and between positions in x (step).
 *
 * @param {Walk} walk
 */
function strides({ C_group, rows, columns }) {
  const filter = C_group * rows.window * columns.window;
  return { filter, plane: rows.outputs * columns.outputs, step: columns.stride };
}

/**
 * Visits every row of positions of every kernel cell of every sample; four filters at a time if possible.
 *
 * @param {Walk} walk @param {Visit} visitOne @param {Visit} visitFour
 */
function eachRow(walk, visitOne, visitFour) {
  const { N, C_out, C_group, groups, rows, columns } = walk;
  const filters = C_out / groups;
  const [xSize, ySize] = [rows.size * columns.size, rows.outputs * columns.outputs];
  for (let n = 0; n < N; n += 1) {
    for (let o = 0; o < C_out; ) {
      const g = Math.floor(o / filters);
      const many = o + FOUR <= (g + 1) * filters ? FOUR : 1;
      for (let c = 0; c < C_group; c += 1) {
        const xPlane = (n * groups * C_group + g * C_group + c) * xSize;
        planeRows(walk, o * C_group + c, (n * C_out + o) * ySize, xPlane, many === FOUR ? visitFour : visitOne);
      }
      o += many;
    }
  }
}

/**
 * Visits the rows of one kernel over one plane of x.
 *
 * @param {Walk} walk @param {number} kernel  index of the kernel in w @param {number} yPlane  offset of the plane in y
 * @param {number} xPlane  offset of the plane in x @param {Visit} visit
 */
function planeRows({ flip, rows, columns, ...taps }, kernel, yPlane, xPlane, visit) {
  const cells = rows.window * columns.window;
  for (const down of taps.down) {
    for (const across of taps.across) {
      const uv = down.tap * columns.window + across.tap;
      const at = kernel * cells + (flip ? cells - 1 - uv : uv);
      const left = columns.stride * across.first + across.offset;
      for (let i = down.first; i < down.last; i += 1) {
        const row = yPlane + i * columns.outputs;
        const cell = xPlane + (rows.stride * i + down.offset) * columns.size + left;
        visit(at, row + across.first, row + across.last, cell);
      }
    }
  }
}

/**
 * Returns the geometry of the loops.
 *
 * @param {number[]} image  (N, C_in, H, W) @param {number[]} kernel  the shape of w
 * @param {Options} options
 * @returns {Walk}
 */
function geometryOf(image, kernel, options) {
  const { stride, padding, dilation, groups, flip } = { ...DEFAULTS, ...options };
  const [N, , ...size] = image;
  const [C_out, C_group, ...taps] = kernel;
  const [rows, columns] = sliding(size, taps, stride, padding, dilation);
  return { N, C_out, C_group, groups, flip, rows, columns, down: tapsOf(rows), across: tapsOf(columns) };
}
