/**
 * Cross-correlation and its two gradients. Each sums the same products; only where they are added differs.
 *
 * `eachTap` visits every kernel cell (o, c, u, v) of every sample with the planes of y and x that it joins; the loops
 * over the positions (i, j) at which that cell lies on the image are then without a condition.
 *
 * @typedef {import("../types.js").NDArray} NDArray
 * @typedef {import("./shapes.js").Pair} Pair
 * @typedef {import("./shapes.js").Padding} Padding
 * @typedef {import("./shapes.js").Axis} Axis
 * @typedef {import("./shapes.js").Tap} Tap
 * @typedef {{stride?: Pair, padding?: Padding, dilation?: Pair, groups?: number, flip?: boolean}} Options
 * @typedef {{N: number, C_out: number, C_group: number, groups: number, flip: boolean, rows: Axis, columns: Axis}} Walk
 */

import { addInPlace } from "./bias.js";
import { sliding, tapsOf } from "./shapes.js";
import { checkAxes, checkShape, text, zeros } from "./tensor.js";

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

/**
 * Slide every kernel over the image and add the bias.
 *
 * y[n,o,i,j] = b[o] + Σ_{c,u,v} x̄[n,c, s·i + d·u, s·j + d·v] · w[o,c,u,v]        x̄: x padded with zeros
 *
 * @param {NDArray} x  (N, C_in, H, W) @param {NDArray} w  (C_out, C_in/groups, KH, KW)
 * @param {NDArray | null} b  (C_out,) or (C_out, H', W') @param {Options} options
 * @returns {NDArray}  (N, C_out, H', W')
 */
export function cross_correlate(x, w, b, options) {
  checkAxes("cross_correlate", "x", x, "N, C_in, H, W");
  const walk = prepared("cross_correlate", x.shape, w.shape, options);
  const { rows, columns } = walk;
  const y = zeros([walk.N, walk.C_out, rows.outputs, columns.outputs]);
  const [X, W, Y] = [x.data, w.data, y.data];
  const [width, step] = [columns.size, columns.stride];
  eachTap(walk, (at, yPlane, xPlane, down, across) => {
    const weight = W[at];
    for (let i = down.first; i < down.last; i += 1) {
      const end = yPlane + i * columns.outputs + across.last;
      let k = xPlane + (rows.stride * i + down.offset) * width + step * across.first + across.offset;
      for (let ij = end - across.last + across.first; ij < end; ij += 1, k += step) Y[ij] += X[k] * weight;
    }
  });
  if (b) addInPlace(y, b);
  return y;
}

/**
 * dx[n,c,h,k] = Σ_{o,i,j,u,v} dy[n,o,i,j] · w[o,c,u,v]        where h = s·i + d·u − p_top, k = s·j + d·v − p_left
 *
 * @param {NDArray} dy  (N, C_out, H', W') @param {NDArray} w
 * @param {Options & {size: Pair}} options  size: (H, W) of x
 * @returns {NDArray}  (N, C_in, H, W)
 */
export function cross_correlate_dx(dy, w, options) {
  checkAxes("cross_correlate_dx", "dy", dy, "N, C_out, H', W'");
  const groups = options.groups ?? 1;
  const shape = [dy.shape[0], groups * w.shape[1], ...options.size];
  const walk = prepared("cross_correlate_dx", shape, w.shape, options);
  const { rows, columns } = walk;
  checkShape("cross_correlate_dx", "dy", dy, [walk.N, walk.C_out, rows.outputs, columns.outputs]);
  const dx = zeros(shape);
  const [DX, W, DY] = [dx.data, w.data, dy.data];
  const [width, step] = [columns.size, columns.stride];
  eachTap(walk, (at, yPlane, xPlane, down, across) => {
    const weight = W[at];
    for (let i = down.first; i < down.last; i += 1) {
      const end = yPlane + i * columns.outputs + across.last;
      let k = xPlane + (rows.stride * i + down.offset) * width + step * across.first + across.offset;
      for (let ij = end - across.last + across.first; ij < end; ij += 1, k += step) DX[k] += DY[ij] * weight;
    }
  });
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
  checkAxes("cross_correlate_dw", "x", x, "N, C_in, H, W");
  checkAxes("cross_correlate_dw", "dy", dy, "N, C_out, H', W'");
  const shape = [dy.shape[1], x.shape[1] / (options.groups ?? 1), ...options.kernel];
  const walk = prepared("cross_correlate_dw", x.shape, shape, options);
  const { rows, columns } = walk;
  checkShape("cross_correlate_dw", "dy", dy, [walk.N, walk.C_out, rows.outputs, columns.outputs]);
  const dw = zeros(shape);
  const [X, DW, DY] = [x.data, dw.data, dy.data];
  const [width, step] = [columns.size, columns.stride];
  eachTap(walk, (at, yPlane, xPlane, down, across) => {
    let sum = 0;
    for (let i = down.first; i < down.last; i += 1) {
      const end = yPlane + i * columns.outputs + across.last;
      let k = xPlane + (rows.stride * i + down.offset) * width + step * across.first + across.offset;
      for (let ij = end - across.last + across.first; ij < end; ij += 1, k += step) sum += DY[ij] * X[k];
    }
    DW[at] += sum;
  });
  return dw;
}

/**
 * Every kernel cell of every sample: its place in w (turned by 180° where the kernel is flipped), where the plane of
 * y and that of x begin, and its taps downwards and sideways.
 *
 * @param {Walk} walk
 * @param {(at: number, yPlane: number, xPlane: number, down: Tap, across: Tap) => void} visit
 */
function eachTap({ N, C_out, C_group, groups, flip, rows, columns }, visit) {
  const [down, across] = [tapsOf(rows), tapsOf(columns)];
  const [xSize, ySize] = [rows.size * columns.size, rows.outputs * columns.outputs];
  const cells = rows.window * columns.window;
  for (let n = 0; n < N; n += 1) {
    for (let o = 0; o < C_out; o += 1) {
      const g = Math.floor(o / (C_out / groups));
      for (let c = 0; c < C_group; c += 1) {
        const [yPlane, xPlane] = [(n * C_out + o) * ySize, (n * groups * C_group + g * C_group + c) * xSize];
        for (let uv = 0; uv < cells; uv += 1) {
          const [u, v] = [Math.floor(uv / columns.window), uv % columns.window];
          visit((o * C_group + c) * cells + (flip ? cells - 1 - uv : uv), yPlane, xPlane, down[u], across[v]);
        }
      }
    }
  }
}

/**
 * What the loops need, after a look at the shapes.
 *
 * @param {string} operation @param {number[]} image  (N, C_in, H, W) @param {number[]} kernel  the shape of w
 * @param {Options} given
 * @returns {Walk}
 */
function prepared(operation, image, kernel, given) {
  const { stride, padding, dilation, groups, flip } = { ...DEFAULTS, ...given };
  const [N, C_in, ...size] = image;
  const [C_out, C_group, ...taps] = kernel;
  if (!(groups >= 1) || C_out % groups || C_in % groups) {
    throw new Error(`${operation}: ${groups} groups do not divide ${C_in} input and ${C_out} output channels`);
  }
  if (C_group * groups !== C_in) {
    const reads = `reads ${C_group * groups} channels, x has ${C_in}`;
    throw new Error(`${operation}: w ${text(kernel)} in ${groups} groups ${reads}`);
  }
  const [rows, columns] = sliding(operation, "kernel", size, taps, stride, padding, dilation);
  return { N, C_out, C_group, groups, flip, rows, columns };
}
