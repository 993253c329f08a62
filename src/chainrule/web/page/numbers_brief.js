/** Numbers for small cells and for screen readers, and counts. The full value is available elsewhere on the page. */

import { formatNumber } from "./explain/numbers.js";

const MAX_CHARACTERS = 6;

/** Formats a number with two or three digits, for a small cell. @param {number} value @returns {string} */
export function briefNumber(value) {
  const size = Math.abs(value);
  if (value === 0 || !Number.isFinite(value)) return formatNumber(value);
  return (value < 0 ? "−" : "") + (size >= 1e-3 && size < 1e4 ? plain(size) : scientific(size));
}

/** Formats a number with as many digits as fit into about six characters. @param {number} value @returns {string} */
export function fittedNumber(value) {
  const whole = formatNumber(value);
  if (whole.length <= MAX_CHARACTERS || !Number.isFinite(value)) return whole;
  for (const digits of [4, 3, 2]) {
    const short = formatNumber(Number(value.toPrecision(digits)));
    if (short.length <= MAX_CHARACTERS) return short;
  }
  return formatNumber(Number(value.toPrecision(2)));
}

/** Formats an integer with thousands separators. @param {number} value */
export function whole(value) {
  return String(Math.round(value)).replace(/\B(?=(?:\d{3})+$)/gu, ","); // Intl.NumberFormat takes 10 ms to start
}

/** Formats a count and what is counted: 1 image, 2,000 images. @param {number} count @param {string} noun */
export function counted(count, noun) {
  return `${whole(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** Formats a fraction in percent; only exact values are shown as 0 % or 100 %. @param {number} share */
export function percent(share) {
  if (!Number.isFinite(share)) return "NaN";
  if (share > 0 && share < 0.0005) return "<0.1 %";
  if (share < 1 && share >= 0.9995) return ">99.9 %";
  return share === 1 || share === 0 ? `${100 * share} %` : `${(100 * share).toFixed(1)} %`;
}

/** Formats a number with three digits. @param {number} value @returns {string} */
export function roughNumber(value) {
  return formatNumber(Number(value.toPrecision(3)));
}

/** @param {number} size */
function plain(size) {
  const text = size >= 1000 ? size.toFixed(0) : size.toPrecision(size < 0.1 ? 2 : 3);
  return text.includes(".") ? text.replace(/\.?0+$/u, "") : text;
}

/** @param {number} size */
function scientific(size) {
  return size.toExponential(1).replace("+", "").replace("-", "−").replace(".0", "");
}
