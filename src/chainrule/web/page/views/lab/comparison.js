/** Correlation and convolution: the same sliding, but the kernel is turned by 180° before. */

/**
 * Every kernel turned: w[o,c, KH−1−u, KW−1−v].
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

/** In words, what the two results have in common. @param {ArrayLike<number>} one @param {ArrayLike<number>} other */
export function compared(one, other) {
  let differ = 0;
  for (let k = 0; k < one.length; k++) differ += Number(one[k] !== other[k]);
  if (differ === 0) return "The two results are equal: turning this kernel by 180° changes nothing that counts here.";
  return `${differ} of the ${one.length} numbers differ.`;
}
