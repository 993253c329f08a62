/**
 * A number short enough for a small square: two or three digits. The whole number is always a glance away.
 *
 * @param {number} value
 * @returns {string}
 */
export function brief(value) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  return (value < 0 ? "−" : "") + (size >= 1e-3 && size < 1e4 ? plain(size) : scientific(size));
}

/** @param {number} size */
function plain(size) {
  const text = size >= 1000 ? size.toFixed(0) : size.toPrecision(size < 0.1 ? 2 : 3);
  return text.includes(".") ? text.replace(/\.?0+$/u, "") : text;
}

/** @param {number} size */
function scientific(size) {
  return size.toExponential(1).replace("+", "").replace(".0", "");
}
