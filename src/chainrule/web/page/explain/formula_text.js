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
 * @typedef {{
 *   indices: Indices, written: "all" | "text" | "none", constants?: "nowhere" | "in indices" | "everywhere",
 * }} Notation  written: which tensors have an index and which sums have letters: all, those of the formula's text, or
 *   none; constants: where the values of constants are written instead of their names, by default in indices
 */

import { plain } from "./evaluation.js";
import { joined, rightSide } from "./formulas.js";
import { SAMPLE } from "./named_tensors.js";
import { at, lettersIn, sumOver, withBar, writeIndex } from "./notation.js";

const METRIC = "error"; // the absolute error of the prediction: the operation's formulas call it "loss"

/** Writes the formulas of one element's calculation. */
export class FormulaWriter {
  /** @param {Evaluator} evaluator */
  constructor(evaluator) {
    this.evaluator = evaluator;
    const texts = this.#indexTexts();
    /** The element's indices by letter, and texts of other indices. @type {Indices} */
    this.own = { ...texts, ...this.#ownIndices() };
    /** The notation of steps. @type {Notation} */
    this.steps = { indices: this.own, written: "text" };
    /** The notation of the equation in letters. @type {Notation} */
    this.letters = { indices: { ...this.#aliases(), ...texts }, written: "all", constants: "nowhere" };
    /** The notation of the equation with the element's indices. @type {Notation} */
    this.numbers = { indices: this.own, written: "all", constants: "everywhere" };
  }

  /**
   * Returns the element's indices by letter, including those that are defined by them.
   *
   * @returns {Record<string, number>}
   */
  #ownIndices() {
    const { entry, own } = this.evaluator;
    const value = (/** @type {string} */ name) => this.evaluator.unrecorded(() => this.evaluator.evaluate(name, own));
    const defined = Object.keys(entry.indices).map((name) => [name, value(name)]);
    return { ...Object.fromEntries(defined.filter(([, index]) => Number.isInteger(index))), ...own };
  }

  /** Returns the text of each index that is defined by cases: the applicable case. @returns {Indices} */
  #indexTexts() {
    const { entry, constants } = this.evaluator;
    const formulas = Object.entries(entry.indices).filter(([, { cases = [] }]) => cases.length > 1);
    return Object.fromEntries(
      formulas.map(([name, formula]) => {
        const { value } = this.evaluator.caseOf(formula);
        const used = this.#constantsIn(value.parts.filter((_, place) => place % 2));
        const sizes = Object.fromEntries(used.map((letter) => [letter, constants[letter]]));
        if (!value.tree.includes("mod")) return [name, writeIndex(value.tree, sizes)];
        return [name, joined(value, (letter) => String(sizes[letter] ?? letter))];
      }),
    );
  }

  /** @param {string[]} letters */
  #constantsIn(letters) {
    return letters.filter((letter) => !this.evaluator.letters.has(letter) && letter in this.evaluator.constants);
  }

  /**
   * Returns the letters to write instead of others: one letter for parts of an attribute with the same value.
   *
   * @returns {Indices}
   */
  #aliases() {
    /** @type {Record<string, string>} */
    const first = {};
    const letters = Object.entries(this.evaluator.entry.letters ?? {}).map(([letter, path]) => {
      const key = `${String(path).split(".")[0]} ${this.evaluator.constants[letter]}`;
      first[key] ??= letter;
      return [letter, first[key]];
    });
    return Object.fromEntries(letters);
  }

  /** The operation's result with its index. @param {Notation} notation */
  result(notation) {
    const { entry, ctx } = this.evaluator;
    const { name, index } = entry.writes[ctx.place];
    return this.reference(name, index.filter((letter) => letter in this.evaluator.own), notation);
  }

  /** The right-hand side of a formula with all its cases. @param {Formula} formula @param {Notation} notation */
  rightSide(formula, notation) {
    return rightSide(formula, (item) => this.#item(item, notation));
  }

  /** An expression as text. @param {Expression} expression @param {Notation} notation */
  expression(expression, notation) {
    return joined(expression, (item) => this.#item(item, notation));
  }

  /** A name, an element or a reduction as text. @param {any} item @param {Notation} notation @returns {string} */
  #item(item, notation) {
    if (typeof item === "string") {
      if (notation.constants === "everywhere" && item in this.evaluator.constants) return this.#constant(item);
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
    const kept = Object.entries(notation.indices).filter(([letter, index]) => {
      return typeof index === "string" || !this.#lettersBehind(letter).some((behind) => present.includes(behind));
    });
    const indices = Object.fromEntries(kept);
    const body = this.expression(value, { ...notation, indices });
    if (!over.length && notation.written !== "all") return `${reduce} ${body}`;
    return sumOver(...present).replace("Σ", reduce) + body;
  }

  /** Returns a letter, or the letters from which an index is computed. @param {string} letter @returns {string[]} */
  #lettersBehind(letter) {
    const { entry, own } = this.evaluator;
    if (!(letter in entry.indices) || letter in own) return [letter];
    const { cases = [] } = entry.indices[letter];
    return cases.flatMap(({ value }) => value.parts.filter((part, place) => place % 2 && typeof part === "string"));
  }

  /**
   * A name with its index, x[c], without the positions of axes that the tensors do not have.
   *
   * @param {string} name @param {ParsedIndex[]} index @param {Notation} notation
   */
  reference(name, index, notation) {
    const { letters } = this.evaluator;
    const isKnown = (/** @type {string} */ letter) => letters.has(letter) || letter in this.evaluator.constants;
    const shown = index.filter((position) => position !== SAMPLE && lettersIn(position).every(isKnown));
    const used = this.#constantsIn(shown.flatMap(lettersIn));
    const constants = Object.fromEntries(used.map((letter) => [letter, this.evaluator.constants[letter]]));
    const indices = notation.constants === "nowhere" ? notation.indices : { ...constants, ...notation.indices };
    return at(this.#shownName(name), ...shown.map((position) => writeIndex(position, indices, constants)));
  }

  /** The name of a tensor in equations. Some entries use the plan's names, such as x for dy. @param {string} name */
  #shownName(name) {
    const { entry, ctx, tensors } = this.evaluator;
    const isResult = plain(name) === entry.writes[ctx.place].name;
    if (!entry.names) return isResult && ctx.result === METRIC ? METRIC : name;
    const read = tensors[plain(name)]?.read ?? null;
    const shown = isResult ? ctx.result : read === null ? plain(name) : ctx.symbolOf(read);
    return plain(name) !== name && this.#isPadded() ? withBar(shown) : shown;
  }

  /** Whether x̄ has elements outside x; the fact `padded` says so. */
  #isPadded() {
    const { padded } = this.evaluator.entry.facts;
    return !padded || this.evaluator.evaluate(padded.tree, this.evaluator.own);
  }
}
