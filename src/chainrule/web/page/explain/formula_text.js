/**
 * Formulas of calculations as text: with letters or numbers as indices, and with or without indices.
 *
 * The Python version, which also writes sample indices: chainrule/explain/formula_text.py.
 *
 * @typedef {import("../types.js").Expression} Expression
 * @typedef {import("../types.js").Formula} Formula
 * @typedef {import("../types.js").ParsedIndex} ParsedIndex
 * @typedef {import("../types.js").Reduction} Reduction
 * @typedef {import("./evaluation.js").Evaluator} Evaluator
 * @typedef {import("./notation.js").Index} Index
 * @typedef {Record<string, Index>} Indices  index letter → the text or number that replaces it
 * @typedef {{indices: Indices, written: "all" | "text" | "none", constants?: boolean}} Notation
 *   written: which tensors have an index and which sums have letters: all, those of the formula's text, or none;
 *   constants: whether to write the values of constants, not their names
 */

import { evaluated, lettersIn } from "./equations.js";
import { SAMPLE } from "./evaluation.js";
import { joined } from "./formulas.js";
import { at, sumOver } from "./notation.js";

const METRIC = "error"; // the absolute error of the prediction: the operation's formulas call it "loss"

/** Writes the formulas of one element's calculation. */
export class FormulaWriter {
  /** @param {Evaluator} evaluator */
  constructor(evaluator) {
    this.evaluator = evaluator;
    /** The element's indices by letter. */
    this.own = this.#ownIndices();
    /** The notation of steps. @type {Notation} */
    this.steps = { indices: this.own, written: "text" };
    /** The notation of the equation in letters. @type {Notation} */
    this.letters = { indices: this.#indexTexts(), written: "all" };
    /** The notation of the equation with the element's indices. @type {Notation} */
    this.numbers = { indices: this.own, written: "all", constants: true };
  }

  /** Returns the element's indices by letter, including those that are defined by them. @returns {Record<string, number>} */
  #ownIndices() {
    const { entry, own } = this.evaluator;
    const defined = Object.keys(entry.indices).map((name) => [name, this.evaluator.unrecorded(() => this.evaluator.evaluate(name, own))]);
    return { ...Object.fromEntries(defined.filter(([, index]) => Number.isInteger(index))), ...own };
  }

  /** Returns the text of each index that is defined by cases: the applicable case. @returns {Indices} */
  #indexTexts() {
    const { entry, constants } = this.evaluator;
    const cases = Object.entries(entry.indices).filter(([, { cases = [] }]) => cases.length > 1);
    const write = (/** @type {string} */ letter) => (letter in constants ? this.#constant(letter) : letter);
    return Object.fromEntries(cases.map(([name, formula]) => [name, joined(this.evaluator.caseOf(formula).value, write)]));
  }

  /** The operation's result with its index. @param {Notation} notation */
  result(notation) {
    const { entry, ctx } = this.evaluator;
    const { name, index } = entry.writes[ctx.place];
    return this.reference(name, index, notation);
  }

  /** The right-hand side of a formula with all its cases. @param {Formula} formula @param {Notation} notation */
  rightSide({ cases = [] }, notation) {
    return cases
      .map(({ value, when }, place) => {
        const text = this.expression(value, notation);
        if (when) return `${text} if ${this.expression(when, notation)}`;
        return place ? `else ${text}` : text;
      })
      .join(", ");
  }

  /** An expression as text. @param {Expression} expression @param {Notation} notation */
  expression(expression, notation) {
    return joined(expression, (item) => this.#item(item, notation));
  }

  /** A name, an element or a reduction as text. @param {any} item @param {Notation} notation @returns {string} */
  #item(item, notation) {
    if (typeof item === "string") {
      if (notation.constants && item in this.evaluator.constants) return this.#constant(item);
      return this.reference(item, notation.written === "all" ? this.evaluator.lettersOf(item) : [], notation);
    }
    if ("reduce" in item) return this.#reduction(item, notation);
    return this.reference(item.name, notation.written === "none" ? [] : item.index, notation);
  }

  /** @param {string} name */
  #constant(name) {
    return this.evaluator.ctx.operand(Number(this.evaluator.constants[name]));
  }

  /** Σ_{k} or max_{k} with its body, in which k is a letter @param {Reduction} reduction @param {Notation} notation */
  #reduction({ reduce, over, value }, notation) {
    const present = this.evaluator.present(over);
    const own = Object.keys(this.evaluator.own).filter((letter) => !present.includes(letter));
    const indices = Object.fromEntries(own.filter((letter) => letter in notation.indices).map((letter) => [letter, notation.indices[letter]]));
    const body = this.expression(value, { ...notation, indices });
    if (!over.length && notation.written !== "all") return `${reduce} ${body}`;
    return sumOver(...present).replace("Σ", reduce) + body;
  }

  /**
   * A name with its index, x[c], without the positions of axes that the tensors do not have.
   *
   * @param {string} name @param {ParsedIndex[]} index @param {Notation} notation
   */
  reference(name, index, notation) {
    const { entry, ctx, letters, constants } = this.evaluator;
    const isKnown = (/** @type {string} */ letter) => letters.has(letter) || letter in constants;
    const shown = index.filter((position) => position !== SAMPLE && lettersIn(position).every(isKnown));
    const used = shown.flatMap(lettersIn).filter((letter) => !letters.has(letter));
    const indices = { ...Object.fromEntries(used.map((letter) => [letter, constants[letter]])), ...notation.indices };
    const texts = shown.map((position) => evaluated(position, indices) ?? "");
    const isMetric = ctx.result === METRIC && name === entry.writes[ctx.place].name;
    return at(isMetric ? METRIC : name, ...texts);
  }
}
