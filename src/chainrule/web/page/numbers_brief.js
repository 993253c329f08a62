/** Numbers for small cells and for screen readers, and counts. The full value is available elsewhere on the page. */

import { formatNumber } from "./explain/numbers.js";

const MAX_CHARACTERS = 6;

/** Formats a number with three digits, or with two if it would have more than six characters. @param {number} value */
export function briefNumber(value) {
  const text = formatNumber(value);
  return text.length <= MAX_CHARACTERS ? text : formatNumber(value, 2);
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
