/**
 * A number short enough for a small square: three digits. The whole number is always a click or a glance away.
 *
 * @param {number} value
 * @returns {string}
 */
export function brief(value) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  const text = size >= 1e-3 && size < 1e4 ? plain(size) : size.toExponential(0).replace("+", "");
  return (value < 0 ? "−" : "") + text;
}

/** @param {number} size */
function plain(size) {
  const text = size >= 1000 ? size.toFixed(0) : size.toPrecision(size < 0.1 ? 2 : 3);
  const trimmed = text.includes(".") ? text.replace(/\.?0+$/u, "") : text;
  return trimmed.replace(/^0(?=\.)/u, "");
}
