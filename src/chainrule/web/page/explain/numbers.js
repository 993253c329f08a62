/** Numbers as text, by the same rules as in Python (chainrule/explain/numbers.py). */

const DIGITS = 6;
const MOST_DIGITS = 17; // of a float64
const MINUS = "−";
const MOST_LISTED = 12;

/** A number in six significant digits: −0.0123457, 1.23457e−7, ∞. @param {number} value */
export function formatNumber(value) {
  return inDigits(value, DIGITS);
}

/** A number in as many digits, six at least, as tell it from another. @param {number} value @param {number} other */
export function distinct(value, other) {
  let digits = DIGITS;
  while (digits < MOST_DIGITS && value !== other && inDigits(value, digits) === inDigits(other, digits)) digits += 1;
  return inDigits(value, digits);
}

/** @param {number} value @param {number} digits */
function inDigits(value, digits) {
  if (Number.isNaN(value)) return "NaN";
  if (value === 0) return "0";
  const sign = value < 0 ? MINUS : "";
  if (!Number.isFinite(value)) return `${sign}∞`;
  const [mantissa, power] = Math.abs(value).toExponential(digits - 1).split("e"); // ties away from zero
  const shown = mantissa.replace(".", "").replace(/0+$/, "");
  const exponent = Number(power);
  return sign + (exponent >= -4 && exponent < 6 ? plain(shown, exponent) : `${dotted(shown, 1)}e${exponent}`.replace("-", MINUS));
}

/** The number as it stands within an equation: in parentheses where it has a sign. @param {number} value */
export function bracketed(value) {
  const text = formatNumber(value);
  return text.startsWith(MINUS) ? `(${text})` : text;
}

/** Numbers in a row; of many the first ten, an ellipsis and the last. @param {number[]} values @param {string} joint */
export function formatList(values, joint) {
  const texts = values.map(joint === ", " ? formatNumber : bracketed);
  const few = texts.length <= MOST_LISTED ? texts : [...texts.slice(0, 10), "…", texts[texts.length - 1]];
  return few.join(joint);
}

/** Digits d₀d₁… · 10^(exponent) without an exponent. @param {string} digits @param {number} exponent */
function plain(digits, exponent) {
  if (exponent < 0) return `0.${"0".repeat(-exponent - 1)}${digits}`;
  return dotted(digits.padEnd(exponent + 1, "0"), exponent + 1);
}

/** A point after so many digits, where more follow. @param {string} digits @param {number} places */
function dotted(digits, places) {
  return digits.length > places ? `${digits.slice(0, places)}.${digits.slice(places)}` : digits;
}
