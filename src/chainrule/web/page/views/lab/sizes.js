/**
 * The size of the result, as a formula with its values, or the reason why there is no result.
 *
 * @typedef {import("./setting.js").Setting} Setting
 * @typedef {import("./setting.js").Pair} Pair
 * @typedef {{axis: string, symbols: string, numbers: string, value: number}} Size
 */
import { axisPadding, extent, outputSize } from "../../engine/shapes.js";
import { slides } from "./setting.js";

/** Returns the height and width of the kernel or window. @param {Setting} setting @returns {Pair} */
export const windowOf = (setting) => (slides(setting.kind) ? [setting.w.shape[2], setting.w.shape[3]] : setting.window);

/** Returns the stride; by default 1, or the window for pooling. @param {Setting} setting @returns {Pair} */
export function strideOf(setting) {
  if (setting.stride) return setting.stride;
  return slides(setting.kind) ? [1, 1] : setting.window;
}

/** Returns the dilation; pooling has none. @param {Setting} setting @returns {Pair} */
export const dilationOf = (setting) => (slides(setting.kind) ? setting.dilation : [1, 1]);

/** Returns the numbers of zeros at the top, bottom, left and right. @param {Setting} setting @returns {[Pair, Pair]} */
export function paddingOf(setting) {
  const { padding } = setting;
  if (typeof padding !== "string") return padding;
  const [window, stride, dilation] = [windowOf(setting), strideOf(setting), dilationOf(setting)];
  const along = (/** @type {0 | 1} */ axis) => {
    return axisPadding(padding, setting.x.shape[axis + 1], window[axis], stride[axis], dilation[axis]);
  };
  return [along(0), along(1)];
}

/** Returns the shape of the result: (C_out, H', W'). @param {Setting} setting @returns {number[]} */
export function outputShape(setting) {
  const channels = slides(setting.kind) ? setting.w.shape[0] : setting.x.shape[0];
  return [channels, ...sizes(setting).map((size) => size.value)];
}

/** Returns H' and W', each with its formula. @param {Setting} setting @returns {Size[]} */
export function sizes(setting) {
  const [padding, window, stride, dilation] = [paddingOf, windowOf, strideOf, dilationOf].map((of) => of(setting));
  return ["H", "W"].map((axis, k) => {
    const size = setting.x.shape[k + 1];
    const [before, after] = /** @type {Pair[]} */ (padding)[k];
    const [K, s, d] = [window, stride, dilation].map((pair) => Number(pair[k]));
    const dilated = slides(setting.kind);
    const [sides, kernel] = axis === "H" ? ["p_top + p_bottom", "KH"] : ["p_left + p_right", "KW"];
    return {
      axis: `${axis}′`,
      symbols: `⌊(${axis} + ${sides} − ${dilated ? `d(${kernel} − 1) − 1` : kernel})/s⌋ + 1`,
      numbers: `⌊(${size} + ${before} + ${after} − ${dilated ? `${d}·(${K} − 1) − 1` : K})/${s}⌋ + 1`,
      value: outputSize(size, K, s, [before, after], d),
    };
  });
}

/** Returns why a setting has no result; null if it has one. @param {Setting} setting */
export function problem(setting) {
  const [padding, window, dilation] = [paddingOf(setting), windowOf(setting), dilationOf(setting)];
  const what = slides(setting.kind) ? "kernel" : "window";
  for (const axis of [0, 1]) {
    const many = axis ? "columns" : "rows";
    const size = setting.x.shape[axis + 1];
    const [before, after] = padding[axis];
    const reach = extent(window[axis], dilation[axis]);
    if (!slides(setting.kind) && Math.max(before, after) >= window[axis]) {
      return (
        `Padding of ${Math.max(before, after)} is not smaller than the window of ${window[axis]} ${many}: ` +
        "some windows would cover padding only and have nothing to pool."
      );
    }
    if (reach > size + before + after) {
      const spread = dilation[axis] > 1 ? `, dilated by ${dilation[axis]} to ${reach},` : "";
      const padded = before + after ? `${size} + ${before} + ${after} = ${size + before + after}` : `${size}`;
      return (
        `The ${what}’s ${window[axis]} ${many}${spread} do not fit into the ${before + after ? "padded " : ""}input’s ` +
        `${padded}. Add padding, make the input larger, or make the ${what}${spread ? " or the dilation" : ""} smaller.`
      );
    }
  }
  return null;
}
