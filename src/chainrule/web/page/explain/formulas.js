/**
 * Formulas of one entry, evaluated, and written in letters and with numbers.
 *
 * They come parsed with the description of the network; they lie in chainrule/operations. The same as in Python:
 * chainrule/explain/formulas.py.
 *
 * @typedef {import("../types.js").Step} Step
 * @typedef {import("../types.js").Expression} Expression
 * @typedef {import("../types.js").Formula} Formula
 * @typedef {Record<string, number>} Values
 */

import { normalDistribution } from "../engine/normal.js";
import { bracketed, formatNumber } from "./numbers.js";
import { holds } from "./words.js";

/** @type {Record<string, (...operands: any[]) => any>} */
const FUNCTIONS = {
  "+": (a, b) => a + b,
  "−": (a, b) => a - b,
  "·": (a, b) => a * b,
  "/": (a, b) => a / b,
  "≤": (a, b) => a <= b,
  "≥": (a, b) => a >= b,
  "<": (a, b) => a < b,
  ">": (a, b) => a > b,
  "√": Math.sqrt,
  tanh: Math.tanh,
  arctan: Math.atan,
  log: Math.log,
  log1p: Math.log1p,
  max: Math.max,
  min: Math.min,
  Φ: normalDistribution,
  and: (...parts) => parts.every(Boolean),
  "^": (base, power) => (base === Math.E ? Math.exp(power) : base ** power),
};

/**
 * The value of a parsed expression, or whether a parsed condition holds.
 *
 * @param {any} tree @param {Values} known @returns {any}
 */
export function evaluate(tree, known) {
  if (!Array.isArray(tree)) return typeof tree === "string" ? known[tree] : tree;
  const [operator, ...operands] = tree;
  return FUNCTIONS[operator](...operands.map((operand) => evaluate(operand, known)));
}

/** The expression of the case that holds. @param {Formula} formula @param {Values} known */
function chosen({ name, cases = [] }, known) {
  const found = cases.find(({ when }) => !when || evaluate(when.tree, known));
  if (!found) throw new Error(`no case of ${name} holds`);
  return found.value;
}

/**
 * The right-hand side with all its cases.
 *
 * @param {Formula} formula @param {Record<string, string>} names  what is written for a letter, where it differs
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
 * The right-hand side of the case that holds, with numbers for its letters but for those in names.
 *
 * @param {Formula} formula @param {Values} known @param {Record<string, string>} [names]
 */
export function inNumbers(formula, known, names) {
  const expression = chosen(formula, known);
  const [before, letter, after] = expression.parts;
  if (!names && expression.parts.length === 3 && !before && !after) return formatNumber(known[letter]);
  return joined(expression, (each) => names?.[each] ?? bracketed(known[each]));
}

/**
 * The steps that hold, one after the other; their values are added to known, aliases to names.
 *
 * @param {Formula[]} formulas @param {Values} known @param {Record<string, any>} facts
 * @param {Record<string, string>} names
 * @returns {Step[]}
 */
export function chain(formulas, known, facts, names) {
  /** @type {Step[]} */
  const steps = [];
  for (const formula of formulas.filter((each) => holds(each, facts))) {
    for (const [letter, other] of Object.entries(formula.alias ?? {})) {
      known[letter] = known[other];
      names[letter] = names[other] ?? other;
    }
    if (!formula.cases) continue;
    const { name } = formula;
    const value = evaluate(chosen(formula, known).tree, known);
    steps.push({
      name: names[name] ?? name,
      symbols: inLetters(formula, names),
      numbers: inNumbers(formula, known),
      value,
    });
    known[name] = value;
  }
  return steps;
}

/**
 * An expression as text; a number that is raised to a power needs parentheses if it has an exponent.
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
