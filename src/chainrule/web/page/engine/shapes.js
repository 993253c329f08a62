/**
 * Output sizes and window geometry of convolution and pooling, one axis at a time.
 *
 * @typedef {[number, number]} Pair
 * @typedef {[Pair, Pair]} Padding  ((top, bottom), (left, right))
 * @typedef {{size: number, window: number, stride: number, padding: Pair, dilation: number, outputs: number}} Axis
 * @typedef {{tap: number, offset: number, first: number, last: number}} Tap
 *   tap u of the window; at position i it lies on cell s·i + offset, which is inside the image if first <= i < last
 */

/**
 * Returns the row axis and the column axis of a sliding window, with the number of its positions:
 * H' = ⌊(H + p_before + p_after − d(K − 1) − 1) / s⌋ + 1.
 *
 * @param {number[]} size @param {number[]} window @param {Pair} stride @param {Padding} padding @param {Pair} dilation
 * @returns {Axis[]}
 */
export function sliding(size, window, stride, padding, dilation = [1, 1]) {
  return [0, 1].map((axis) => {
    const own = { size: size[axis], window: window[axis], stride: stride[axis], padding: padding[axis], dilation: dilation[axis] };
    const free = own.size + own.padding[0] + own.padding[1] - own.dilation * (own.window - 1) - 1;
    return { ...own, outputs: Math.floor(free / own.stride) + 1 };
  });
}

/** Returns every tap along one axis and the positions where it lies on the image. @param {Axis} axis */
export function tapsOf(axis) {
  /** @type {Tap[]} */
  const taps = [];
  for (let tap = 0; tap < axis.window; tap += 1) {
    const offset = axis.dilation * tap - axis.padding[0];
    const first = Math.max(0, Math.ceil(-offset / axis.stride));
    const last = Math.min(axis.outputs, Math.floor((axis.size - 1 - offset) / axis.stride) + 1);
    taps.push({ tap, offset, first, last: Math.max(last, first) });
  }
  return taps;
}
