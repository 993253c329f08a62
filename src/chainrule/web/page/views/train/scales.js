/**
 * The scale of the curve. Both the first and the last steps are readable on them.
 *
 * @typedef {{value: number, text: string}} Tick
 * @typedef {{place(value: number): number, ticks: Tick[]}} Scale  place: 0 at the bottom of the plot, 1 at its top
 */

import { formatNumber } from "../../explain/numbers.js";

/**
 * Returns a logarithmic scale if the smoothed values are positive and span at least a factor of 8, else a linear scale.
 *
 * @param {[number, number]} smoothed  minimum and maximum of the smoothed line
 * @param {[number, number]} raw  minimum and maximum of all values
 * @returns {Scale}
 */
export function amountScale(smoothed, raw) {
  const [low, high] = smoothed;
  const top = Number.isFinite(raw[1]) ? raw[1] : 1;
  if (!(low > 0) || high < 8 * low) return linear(Math.min(0, Number.isFinite(raw[0]) ? raw[0] : 0), top || 1);
  return logarithmic(Math.max(raw[0], low / 5) / 1.15, top * 1.15); // unusually low values of single batches are cut off
}

/** @param {number} low @param {number} high @returns {Scale} */
function linear(low, high) {
  const span = high - low;
  return {
    place: (value) => (value - low) / (span * 1.05),
    ticks: round(low, high, 4).map((value) => ({ value, text: formatNumber(value) })),
  };
}

/** @param {number} low @param {number} high @returns {Scale} */
function logarithmic(low, high) {
  const [bottom, top] = [Math.log10(low), Math.log10(high)];
  const digits = high / low < 30 ? [1, 2, 5] : high / low < 2000 ? [1, 3] : [1];
  const every = Math.max(1, Math.ceil((top - bottom) / 6));
  /** @type {Tick[]} */
  const ticks = [];
  for (let power = Math.floor(bottom); power <= Math.ceil(top); power += 1) {
    if (power % every !== 0) continue;
    for (const digit of digits) {
      const value = digit * 10 ** power;
      if (value >= low && value <= high) ticks.push({ value, text: formatNumber(value) });
    }
  }
  return { place: (value) => (Math.log10(Math.max(value, 1e-300)) - bottom) / (top - bottom), ticks };
}

/**
 * Returns at most about `count` + 1 round values from low to high.
 *
 * @param {number} low @param {number} high @param {number} count
 */
export function round(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((digit) => digit * power >= rough) ?? 10);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, k) => (first + k) * step);
}
