/**
 * The sum that a number is, as it is printed: the terms on the sheet one by one, and all others as one number with their
 * count. The digits are as many as make the printed sum come out on a pocket calculator.
 *
 * @typedef {import("../types.js").Explanation} Explanation
 * @typedef {import("../types.js").Term} Term
 * @typedef {{text: string, cells: string[], value: number, kind: "term" | "rest"}} Part  cells: on the sheet
 * @typedef {{parts: Part[], zeros: number, scale: string, result: string}} PrintedSum  zeros: number of left out terms that are 0
 */

import { softmax } from "../engine/reference.js";
import { parted, valueOf } from "./naming.js";
import { DIGITS, MAX_DIGITS, asPrinted, bracketed, digitsThat, formatNumber } from "./numbers.js";

const NEGLIGIBLE = 1e-9; // of the largest term

/**
 * Returns the printed sum of a number that adds terms; null for other numbers.
 * @param {Explanation} explanation @param {(cell: string) => boolean} isShown  whether a cell or the value that it is the gradient of is on the sheet
 * @returns {PrintedSum | null}
 */
export function printedSum({ terms, value, scale }, isShown) {
  if (!terms.length) return null;
  const nonzero = terms.filter((term) => term.value !== 0);
  const shown = nonzero.filter(({ factors }) => factors.every(({ cell }) => cell === null || isShown(cell)));
  const others = nonzero.filter((term) => !shown.includes(term));
  const rest = others.reduce((sum, term) => sum + term.value, 0);
  const most = Math.max(0, ...nonzero.map((term) => Math.abs(term.value)));
  const isZero = Math.abs(value) <= NEGLIGIBLE * most * Math.abs(scale?.value ?? 1);
  const product = (/** @type {Term} */ { factors }, /** @type {number} */ n) => factors.reduce((all, factor) => all * asPrinted(factor.value, n), 1);
  const total = (/** @type {number} */ n) => (shown.reduce((sum, term) => sum + product(term, n), 0) + (others.length ? asPrinted(rest, n) : 0)) * (scale ? scale.value : 1);
  const digits = isZero ? DIGITS : digitsThat((n) => formatNumber(total(n)) === formatNumber(value));
  const parts = shown.map((term) => ({
    text: `${term.factors.length === 1 && term.factors[0].name === "b" ? "bias " : ""}${term.factors.map((factor) => bracketed(factor.value, digits)).join(" · ")}`,
    cells: term.factors.flatMap(({ cell }) => (cell !== null && isShown(cell) ? [cell] : [])),
    value: term.value,
    kind: /** @type {const} */ ("term"),
  }));
  const count = others.length === 1 ? "1 other product" : `${others.length} other products`;
  const last = others.length ? [{ text: `${count}: ${bracketed(rest, digits)}`, cells: [], value: rest, kind: /** @type {const} */ ("rest") }] : [];
  const result = isZero && value !== 0 ? "≈ 0" : `= ${formatNumber(value)}`;
  return { parts: [...parts, ...last], zeros: terms.length - nonzero.length, scale: scale?.symbols ?? "", result };
}

/**
 * Returns the calculation of a number that adds no terms: a choice, a function, or several steps of which this is the last.
 * @param {import("../types.js").Trace} trace @param {Explanation} explanation @returns {string}
 */
export function printedFormula(trace, { operation, pick, steps, jacobian, index, value, tensor }) {
  const result = formatNumber(value);
  if (pick) return `max(${pick.candidates.map((candidate) => formatNumber(candidate.value)).join(", ")}) = ${result}`;
  if (operation === "softmax" && index.length === 1) return exponentials(trace, tensor, index[0], result);
  const row = jacobian?.rows[index[0]];
  if (row && Math.abs(row.p - row.t - value) <= NEGLIGIBLE) {
    const digits = digitsThat((n) => formatNumber(asPrinted(row.p, n) - asPrinted(row.t, n)) === result);
    return `p − t = ${formatNumber(row.p, digits)} − ${formatNumber(row.t, digits)} = ${result}`;
  }
  const last = steps?.[steps.length - 1];
  return last ? `${last.numbers} = ${last.shown}` : result;
}

/** @param {import("../types.js").Trace} trace @param {string} tensor @param {number} unit @param {string} result */
function exponentials(trace, tensor, unit, result) {
  const reader = trace.description.plan.forward.find(({ name, reads }) => name.startsWith("softmax") && reads[0]);
  const scores = trace.values.get(reader?.reads[0]?.storage ?? "")?.data ?? [];
  const printed = (/** @type {number} */ n) => softmax({ shape: [1, scores.length], data: Float64Array.from(scores, (score) => asPrinted(score, n)) }).data[unit];
  const digits = digitsThat((n) => formatNumber(printed(n)) === result);
  const powers = Array.from(scores, (score) => `e^${bracketed(score, Math.min(MAX_DIGITS, digits))}`);
  if (powers.length > 12 || valueOf(trace, `${parted(tensor).tensor}[${unit}]`) === null) return result;
  return `${powers[unit]} / (${powers.join(" + ")}) = ${result}`;
}
