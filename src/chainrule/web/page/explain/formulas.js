/**
 * Evaluates formulas for one element, and prints them both with letters and with numbers.
 *
 * The formulas are defined in chainrule/operations; the network's description contains them in parsed form. The Python
 * version: chainrule/explain/formulas.py.
 *
 * @typedef {import("../types.js").Step} Step
 * @typedef {import("../types.js").Expression} Expression
 * @typedef {import("../types.js").Formula} Formula
 * @typedef {Record<string, number>} Values
 */

import { FUNCTIONS as OF_ONE_NUMBER } from "../engine/formula_functions.js";
import { range } from "../engine/tensor.js";
import { DIGITS, MAX_DIGITS, asPrinted, bracketed, formatNumber, significant } from "./numbers.js";
import { holds } from "./words.js";

const AGREEMENT = 0.01; // largest relative error of a result that no printed numbers give exactly

/** Functions and operators in formulas. @type {Record<string, (...operands: any[]) => any>} */
export const FUNCTIONS = {
  ...OF_ONE_NUMBER,
  "+": (a, b) => a + b,
  "−": (a, b) => a - b,
  "·": (a, b) => a * b,
  "/": (a, b) => a / b,
  mod: (a, b) => a % b,
  "^": (base, power) => (base === Math.E ? Math.exp(power) : base ** power),
  "≤": (a, b) => a <= b,
  "≥": (a, b) => a >= b,
  "<": (a, b) => a < b,
  ">": (a, b) => a > b,
  "=": (a, b) => a === b,
  and: (...tests) => tests.every(Boolean),
  max: Math.max,
  min: Math.min,
};

/**
 * Returns the value of a parsed expression, or the truth value of a parsed condition.
 *
 * @param {any} tree @param {Values} values @returns {any}
 */
export function evaluate(tree, values) {
  if (!Array.isArray(tree)) return typeof tree === "string" ? values[tree] : tree;
  const [operator, ...operands] = tree;
  return FUNCTIONS[operator](...operands.map((operand) => evaluate(operand, values)));
}

/**
 * Returns the fewest digits, at least `digits`, with which the printed operands of an expression give its result, so that a line
 * comes out on a pocket calculator. Operands that nearly cancel need more digits: 0.999423 − 1 = −0.000577.
 *
 * @param {any} tree @param {number[]} operands  values of the names, elements and sums in it, in their order
 * @param {number} digits @param {string} shown  the printed result @param {number[]} [others]  numbers that the printed operands must
 *   be distinguishable from
 */
export function enoughDigits(tree, operands, digits, shown, others = []) {
  const resultOf = (/** @type {number} */ count) => evaluate(filled(tree, operands.map((operand) => asPrinted(operand, count, others)).values()), {});
  const precision = Math.max(digits, significant(shown));
  const counts = range(digits, MAX_DIGITS);
  const exact = evaluate(filled(tree, operands.values()), {});
  const isClose = (/** @type {number} */ result) => result === exact || Math.abs(result - exact) <= AGREEMENT * Math.max(Math.abs(result), Math.abs(exact));
  return counts.find((count) => formatNumber(resultOf(count), precision) === shown) ?? counts.find((count) => isClose(resultOf(count))) ?? digits;
}

/** Replaces the names, elements and sums in a parsed expression by numbers. @param {any} tree @param {Iterator<number>} numbers @returns {any} */
function filled(tree, numbers) {
  if (Array.isArray(tree)) return [tree[0], ...tree.slice(1).map((operand) => filled(operand, numbers))];
  return typeof tree === "number" ? tree : numbers.next().value;
}

/** The expression of the case that holds. @param {Formula} formula @param {Values} values */
function matchingCase({ name, cases = [] }, values) {
  const match = cases.find(({ when }) => !when || evaluate(when.tree, values));
  if (!match) throw new Error(`no case of ${name} holds`);
  return match.value;
}

/**
 * Returns the right-hand side with all cases.
 *
 * @param {Formula} formula @param {(letter: any) => string} write  returns the text of a letter
 */
export function rightSide({ cases = [] }, write) {
  return cases
    .map(({ value, when }, place) => {
      if (when) return `${joined(value, write)} if ${joined(when, write)}`;
      return `${place ? "else " : ""}${joined(value, write)}`;
    })
    .join(", ");
}

/**
 * Returns the right-hand side with all cases, with letters replaced as specified by `names`.
 *
 * @param {Formula} formula @param {Record<string, string>} names
 */
export function inLetters(formula, names) {
  return rightSide(formula, (letter) => names[letter] ?? letter);
}

/**
 * Returns the right-hand side of the applicable case, with letters replaced by `names` or by their values.
 *
 * @param {Formula} formula @param {Values} values @param {Record<string, string>} [names]
 * @param {number} [digits] @param {number[]} [others]  numbers that must look different if they differ
 * @param {string} [shown]  the result as printed
 */
export function inNumbers(formula, values, names, digits = DIGITS, others = [], shown = "") {
  const expression = matchingCase(formula, values);
  const [before, letter, after] = expression.parts;
  const different = [...others, ...operandsOf(formula, values), 1]; // 1 for terms such as 1 − β
  if (!names) digits = enoughDigits(expression.tree, operandsOf(formula, values), digits, shown, different);
  if (!names && expression.parts.length === 3 && !before && !after) return formatNumber(values[letter], digits, different);
  return joined(expression, (letter) => names?.[letter] ?? bracketed(values[letter], digits, different));
}

/** The values of the letters in the case that holds. @param {Formula} formula @param {Values} values */
function operandsOf(formula, values) {
  return matchingCase(formula, values)
    .parts.filter((_, place) => place % 2 === 1)
    .map((letter) => values[letter]);
}

/**
 * Returns the steps of a calculation, one for each formula whose conditions are true. Results are added to `known` and
 * aliases to `names`.
 *
 * @param {Formula[]} formulas @param {Values} values @param {Record<string, any>} facts
 * @param {Record<string, string>} names
 * @param {{digits?: number, last?: number, others?: number[]}} [options]  last: value of the last step, if it is known
 *   more accurately; others: numbers that must be distinguishable from the results
 * @returns {Step[]}
 */
export function chain(formulas, values, facts, names, { digits = DIGITS, last, others = [] } = {}) {
  /** @type {Step[]} */
  const steps = [];
  const selected = formulas.filter((formula) => holds(formula, facts));
  for (const formula of selected) {
    for (const [letter, other] of Object.entries(formula.alias ?? {})) {
      values[letter] = values[other];
      names[letter] = names[other] ?? other;
    }
    if (!formula.cases) continue;
    const { name } = formula;
    const isLast = formula === selected[selected.length - 1];
    const value = isLast && last !== undefined ? last : evaluate(matchingCase(formula, values).tree, values);
    const shown = formatNumber(value, digits, [...others, ...operandsOf(formula, values), 1]);
    const numbers = inNumbers(formula, values, undefined, digits, [value], shown);
    steps.push({ name: names[name] ?? name, symbols: inLetters(formula, names), numbers, value, shown });
    values[name] = value;
  }
  return steps;
}

/**
 * Adds to `values` the results of the formulas whose conditions are true, and returns it.
 *
 * @param {Formula[]} formulas @param {Values} values @param {Record<string, any>} facts
 */
export function evaluateAll(formulas, values, facts) {
  for (const formula of formulas.filter((candidate) => holds(candidate, facts))) {
    for (const [letter, other] of Object.entries(formula.alias ?? {})) values[letter] = values[other];
    if (formula.cases) values[formula.name] = evaluate(matchingCase(formula, values).tree, values);
  }
  return values;
}

/**
 * Returns the line of a calculation whose result is the value of the cell.
 *
 * @param {import("./cell_context.js").CellContext} ctx @param {string} name @param {string} symbols
 * @param {string} template  the formula, with {} for each operand @param {any} tree  the parsed formula, with a name for each operand
 * @param {number[]} operands @returns {Step}
 */
export function calculationLine(ctx, name, symbols, template, tree, operands) {
  const { value } = ctx;
  const others = [...operands, value, 1]; // 1 for terms such as 1 − ŷ
  const shown = ctx.text(value, ...others);
  const digits = enoughDigits(tree, operands, ctx.digits, shown, others);
  const numbers = operands.reduce((text, operand) => text.replace("{}", bracketed(operand, digits, others)), template);
  return { name, symbols, numbers, value, shown };
}

/**
 * Returns an expression as text, with parentheses around a base in exponent notation: (1e−7)^{2}.
 *
 * @param {Expression} expression @param {(letter: any) => string} write
 */
export function joined({ parts }, write) {
  return parts
    .map((part, place) => {
      if (place % 2 === 0) return part;
      const text = write(part);
      const raised = parts[place + 1].startsWith("^{") && /^\d.*e/.test(text);
      return raised ? `(${text})` : text;
    })
    .join("");
}
