/** Correlation and convolution: the same sliding window, but convolution first rotates the kernel by 180°. */

/**
 * Rotates every kernel by 180°: w[o,c, KH−1−u, KW−1−v].
 * @param {import("../../types.js").NDArray} w
 * @returns {import("../../types.js").NDArray}
 */
export function rotated(w) {
  const size = w.shape[2] * w.shape[3];
  const data = Float64Array.from(w.data, (_, k) => {
    const start = k - (k % size);
    return w.data[start + size - 1 - (k % size)];
  });
  return { shape: w.shape, data };
}

/** Returns how many values of two results differ. @param {ArrayLike<number>} one @param {ArrayLike<number>} other */
export function compared(one, other) {
  let differ = 0;
  for (let k = 0; k < one.length; k++) differ += Number(one[k] !== other[k]);
  if (differ === 0) return "The two results are equal: rotating this kernel by 180° makes no difference here.";
  return `${differ} of the ${one.length} values differ.`;
}
