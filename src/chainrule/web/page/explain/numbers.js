/** Formatting of numbers, by the same rules as in Python (chainrule/explain/notation.py). */

/** Significant digits by default. */
export const DIGITS = 3;
export const MAX_DIGITS = 17; // enough to identify any float64
const MINUS = "−";
const MAX_DECIMALS = 20;
const WHOLE = 1e6; // smaller whole numbers are printed exactly
const SAME = 1e-12; // a smaller relative difference may be a rounding error and need not be visible
export const MAX_LISTED = 12;

/**
 * Formats a number with `digits` significant digits: −0.0123, 1.23e−7, ∞. Whole numbers below 10⁶ are exact. A rounded
 * number keeps its zeros and, without an exponent, has a decimal place: 1.00, 250.0; an exact number does not: 1, 0.5.
 *
 * @param {number} value @param {number} [digits]
 * @param {number[]} [others]  numbers from whose magnitude its own must be distinguishable; digits are added as necessary
 */
export function formatNumber(value, digits = DIGITS, others = []) {
  const size = Math.abs(value);
  const different = others.map(Math.abs).filter((other) => !isClose(size, other));
  while (digits < MAX_DIGITS && different.some((other) => asPrinted(other, digits) === asPrinted(size, digits))) digits += 1;
  return rounded(value, digits);
}

/** Returns the number that is printed for a value; see `formatNumber`. @param {number} value @param {number} digits @param {number[]} [others] */
export function asPrinted(value, digits, others) {
  return Number(formatNumber(value, digits, others).replaceAll(MINUS, "-").replace("∞", "Infinity"));
}

/** Returns the number of significant digits of a printed number. @param {string} text */
export function significant(text) {
  return text.replace(/e.*|[−.]/gu, "").replace(/^0+/u, "").length;
}

/** Returns the fewest digits, at least DIGITS, with which shown numbers agree. @param {(digits: number) => boolean} agree */
export function digitsThat(agree) {
  let digits = DIGITS;
  while (digits < MAX_DIGITS && !agree(digits)) digits += 1;
  return digits;
}

/**
 * Returns the fewest decimals, at least `least`, with which the parts as shown add up to their sums.
 *
 * @param {number} least @param {number[][]} sums  each a sum followed by its parts
 */
export function decimalsThatAdd(least, sums) {
  const units = (/** @type {number} */ value, /** @type {number} */ n) => Math.round(Number(value.toFixed(n)) * 10 ** n);
  const add = (/** @type {number} */ n) => sums.every(([sum, ...parts]) => units(sum, n) === parts.reduce((total, part) => total + units(part, n), 0));
  return Array.from({ length: MAX_DIGITS }, (_, more) => Math.min(least + more, MAX_DECIMALS)).find(add) ?? least;
}

/** Formats a number with a fixed number of decimals, or with one digit if it would become 0. @param {number} value @param {number} decimals */
export function fixed(value, decimals) {
  const text = value.toFixed(decimals);
  return Number(text) ? text.replace("-", MINUS) : formatNumber(value, 1);
}

/** Returns the decimals that show three digits of a number. @param {number} value */
export function decimalsOf(value) {
  return Math.min(MAX_DECIMALS, Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value) || 1))));
}

/** A number with enough digits to distinguish it from another one. @param {number} value @param {number} b */
export function distinct(value, b) {
  return formatNumber(value, DIGITS, [b]);
}

/** Formats a number with all digits. @param {number} value */
export function exactNumber(value) {
  return formatNumber(value, MAX_DIGITS);
}

/**
 * Formats a number for use in an equation, in parentheses if it is negative.
 *
 * @param {number} value @param {number} [digits] @param {number[]} [others]
 */
export function bracketed(value, digits = DIGITS, others = []) {
  const text = formatNumber(value, digits, others);
  return text.startsWith(MINUS) ? `(${text})` : text;
}

/**
 * Formats a row of numbers. A long row is shortened to its first ten numbers, an ellipsis and the last number.
 *
 * @param {number[]} values @param {string} joint @param {number} [digits]
 */
export function formatList(values, joint, digits = DIGITS) {
  const texts = values.map((value) => (joint === ", " ? formatNumber(value, digits) : bracketed(value, digits)));
  const listed = texts.length <= MAX_LISTED ? texts : [...texts.slice(0, 10), "…", texts[texts.length - 1]];
  return listed.join(joint);
}

/** @param {number} a @param {number} b */
function isClose(a, b) {
  if (a === b) return true;
  if (!Number.isFinite(a) || !Number.isFinite(b)) return false;
  return Math.abs(a - b) <= SAME * Math.max(Math.abs(a), Math.abs(b));
}

/** Rounds a number to significant digits, with ties away from zero. @param {number} value @param {number} digits */
function rounded(value, digits) {
  if (Number.isNaN(value)) return "NaN";
  if (value === 0) return "0";
  const sign = value < 0 ? MINUS : "";
  if (!Number.isFinite(value)) return `${sign}∞`;
  const size = Math.abs(value);
  if (Number.isInteger(size) && size < WHOLE) return `${sign}${size}`;
  const [mantissa, power] = size.toExponential(digits - 1).split("e");
  const exponent = Number(power);
  const isPlain = exponent >= -4 && exponent < 6;
  const text = isPlain ? size.toFixed(Math.max(1, digits - 1 - exponent)) : mantissa;
  const isExact = Number(isPlain ? text : `${mantissa}e${power}`) === size;
  const shown = isExact && text.includes(".") ? text.replace(/\.?0+$/u, "") : text;
  return sign + (isPlain ? shown : `${shown}e${exponent}`.replace("-", MINUS));
}
