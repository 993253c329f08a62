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

import { FUNCTIONS } from "../engine/elementwise.js";
import { DIGITS, bracketed, formatNumber } from "./numbers.js";
import { holds } from "./words.js";

/**
 * Returns the value of a parsed expression, or the truth value of a parsed condition.
 *
 * @param {any} tree @param {Values} known @returns {any}
 */
export function evaluate(tree, known) {
  if (!Array.isArray(tree)) return typeof tree === "string" ? known[tree] : tree;
  const [operator, ...operands] = tree;
  return FUNCTIONS[operator](...operands.map((operand) => evaluate(operand, known)));
}

/** Returns the expression of the first case whose condition is true. @param {Formula} formula @param {Values} known */
function matchingCase({ name, cases = [] }, known) {
  const found = cases.find(({ when }) => !when || evaluate(when.tree, known));
  if (!found) throw new Error(`no case of ${name} holds`);
  return found.value;
}

/**
 * Returns the right-hand side with all cases.
 *
 * @param {Formula} formula @param {Record<string, string>} names  replacements of letters
 */
export function inLetters({ cases = [] }, names) {
  const write = (/** @type {string} */ letter) => names[letter] ?? letter;
  return cases
    .map(({ value, when }, place) => {
      if (when) return `${joined(value, write)} if ${joined(when, write)}`;
      return `${place ? "else " : ""}${joined(value, write)}`;
    })
    .join(", ");
}

/**
 * Returns the right-hand side of the applicable case, with letters replaced by `names` or by their values.
 *
 * @param {Formula} formula @param {Values} known @param {Record<string, string>} [names]
 * @param {number} [digits] @param {number[]} [others]  numbers that must be distinguishable from the others
 */
export function inNumbers(formula, known, names, digits = DIGITS, others = []) {
  const expression = matchingCase(formula, known);
  const [before, letter, after] = expression.parts;
  if (!names && expression.parts.length === 3 && !before && !after) return formatNumber(known[letter], digits, others);
  const different = [...others, ...operandsOf(formula, known), 1]; // 1 for terms such as 1 − β
  return joined(expression, (each) => names?.[each] ?? bracketed(known[each], digits, different));
}

/** Returns the values of the letters in the applicable case. @param {Formula} formula @param {Values} known */
function operandsOf(formula, known) {
  return matchingCase(formula, known)
    .parts.filter((_, place) => place % 2 === 1)
    .map((letter) => known[letter]);
}

/**
 * Returns the steps of a calculation, one for each formula whose conditions are true. Results are added to `known` and
 * aliases to `names`.
 *
 * @param {Formula[]} formulas @param {Values} known @param {Record<string, any>} facts
 * @param {Record<string, string>} names
 * @param {{digits?: number, last?: number, others?: number[]}} [options]  last: value of the last step, if it is known
 *   more accurately; others: numbers that must be distinguishable from the results
 * @returns {Step[]}
 */
export function chain(formulas, known, facts, names, { digits = DIGITS, last, others = [] } = {}) {
  /** @type {Step[]} */
  const steps = [];
  const selected = formulas.filter((each) => holds(each, facts));
  for (const formula of selected) {
    for (const [letter, other] of Object.entries(formula.alias ?? {})) {
      known[letter] = known[other];
      names[letter] = names[other] ?? other;
    }
    if (!formula.cases) continue;
    const { name } = formula;
    const isLast = formula === selected[selected.length - 1];
    const value = isLast && last !== undefined ? last : evaluate(matchingCase(formula, known).tree, known);
    steps.push({
      name: names[name] ?? name,
      symbols: inLetters(formula, names),
      numbers: inNumbers(formula, known, undefined, digits, [value]),
      value,
      shown: formatNumber(value, digits, [...others, ...operandsOf(formula, known), 1]),
    });
    known[name] = value;
  }
  return steps;
}

/**
 * Returns an expression as text, with parentheses around a base in exponent notation: (1e−7)^{2}.
 *
 * @param {Expression} expression @param {(letter: string) => string} write
 */
function joined({ parts }, write) {
  return parts
    .map((part, place) => {
      if (place % 2 === 0) return part;
      const text = write(part);
      const raised = parts[place + 1].startsWith("^{") && /^\d.*e/.test(text);
      return raised ? `(${text})` : text;
    })
    .join("");
}
