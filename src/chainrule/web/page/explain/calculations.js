/**
 * Explanations of operations with named steps and sums. The formulas are in chainrule/operations.
 *
 * If a result has steps, the explanation lists them. Otherwise its rule is a sum of products, which gives the terms. The
 * Python version, which also supports batches: chainrule/explain/calculations.py.
 *
 * @typedef {import("../types.js").Expression} Expression
 * @typedef {import("../types.js").Factor} Factor
 * @typedef {import("../types.js").Formula} Formula
 * @typedef {import("../types.js").Reduction} Reduction
 * @typedef {import("../types.js").Step} Step
 * @typedef {import("../types.js").SumOfProducts} SumOfProducts
 * @typedef {import("../types.js").Term} Term
 * @typedef {import("./cell_context.js").CellContext} CellContext
 * @typedef {import("./details.js").Details} Details
 */

import { placeOfLargest } from "../engine/tensor.js";
import { term } from "./cell_context.js";
import { Evaluator } from "./evaluation.js";
import { FormulaWriter } from "./formula_text.js";
import { enoughDigits, joined } from "./formulas.js";
import { layered } from "./naming.js";
import { bracketed, formatList, MAX_LISTED } from "./numbers.js";
import { fill, holds } from "./words.js";

/**
 * Explains a value with the steps or the terms of its operation's formulas.
 *
 * @param {CellContext} ctx @returns {Details}
 */
export function calculation(ctx) {
  return new Calculation(ctx).derive();
}

/** An operation's formulas, applied to one element of a result. */
class Calculation {
  /** @param {CellContext} ctx */
  constructor(ctx) {
    this.ctx = ctx;
    this.evaluator = new Evaluator(ctx);
    this.own = this.evaluator.own;
    this.writer = new FormulaWriter(this.evaluator);
    /**
     * Facts for sentences and for conditions of steps. They are evaluated when they are needed.
     *
     * @type {Record<string, any>}
     */
    this.facts = this.#givenFacts();
    for (const [name, { tree }] of Object.entries(this.evaluator.entry.facts)) {
      Object.defineProperty(this.facts, name, { get: () => this.#fact(tree) });
    }
  }

  /** Facts that are not defined by the entry. */
  #givenFacts() {
    const { ctx } = this;
    const inputs = this.evaluator.entry.reads.map(({ name }, place) => [name, ctx.reads(place)]);
    const options = Object.values(ctx.attributes).map((value) => [value, true]);
    return {
      ...Object.fromEntries([...inputs, ...options]),
      ...this.own,
      batch: false,
      layer: ctx.layer,
      x: ctx.symbolOf(0),
      gradient: /^d/.test(layered(ctx.write.name).rest), // or a part of a gradient
      transposed: (ctx.symbolOf(0) === "x") === ctx.operation.name.endsWith("_dx"),
    };
  }

  /** @returns {Details} */
  derive() {
    const result = this.evaluator.entry.results[this.ctx.place];
    const formulas = result.steps.filter((step) => holds(step, this.facts));
    const steps = formulas.map((formula, place) => this.#step(formula, place === formulas.length - 1));
    const rule = result.rule.find((formula) => holds(formula, this.facts)) ?? formulas[formulas.length - 1];
    const parts = steps.length ? { steps } : this.#sum(rule);
    const equations = this.#equations(rule);
    return { words: fill(result.words, this.facts), ...equations, ...parts, sources: this.evaluator.sources() };
  }

  /** Whether a condition is true, or a number as text. @param {any} tree */
  #fact(tree) {
    const value = this.evaluator.unrecorded(() => this.evaluator.evaluate(tree, this.own));
    return typeof value === "boolean" ? value : this.ctx.text(value, 1);
  }

  /** Returns the rule in letters, and the rule with the element's indices. @param {Formula} rule */
  #equations(rule) {
    const { writer } = this;
    const right = writer.expression(this.evaluator.caseOf(rule).value, writer.numbers);
    return {
      symbols: `${writer.result(writer.letters)} = ${writer.rightSide(rule, writer.letters)}`,
      here: `${writer.result(writer.numbers)} = ${right}`,
    };
  }

  /**
   * Evaluates a step and returns its line. A step without a formula shows a formula under `where`.
   *
   * @param {Formula} step @param {boolean} isLast @returns {Step}
   */
  #step(step, isLast) {
    const { name, index = [] } = step;
    const formula = step.cases ? step : this.evaluator.where[name];
    const expression = this.evaluator.caseOf(formula).value;
    const calculated = this.#value(name, formula);
    const value = isLast ? this.ctx.value : calculated;
    this.evaluator.addStep(name, index, value);
    const { numbers, shown } = this.evaluator.unrecorded(() => this.#inNumbers(expression, value));
    /** @type {import("./formula_text.js").Notation} */
    const notation = { ...this.writer.steps, written: index.length ? "all" : "text" };
    const symbols = this.writer.rightSide(formula, notation);
    const title = this.writer.reference(name, index, notation);
    return { name: title, symbols, numbers, value, shown };
  }

  /**
   * The value of a step. If an input has the same name, the step shows how the input was computed.
   *
   * @param {string} name @param {Formula} formula
   */
  #value(name, formula) {
    const isInput = name in this.evaluator.tensors;
    return Number(isInput ? this.evaluator.evaluate(name, this.own) : this.evaluator.formula(formula, this.own));
  }

  /**
   * Returns an expression in numbers, and its value as printed.
   *
   * @param {Expression} expression @param {number} value
   */
  #inNumbers(expression, value) {
    const [before, item, after] = expression.parts;
    const isSingle = expression.parts.length === 3 && !before && !after;
    if (isSingle && item.reduce) return this.#listed(item, value);
    const items = expression.parts.filter((_, place) => place % 2 === 1);
    const operands = items.map((operand) => Number(this.evaluator.evaluate(operand, this.own)));
    const others = [...operands, value, 1]; // 1 for terms such as 1 − ŷ
    const shown = this.ctx.text(value, ...others);
    if (isSingle) return { numbers: this.ctx.text(operands[0], ...others), shown };
    const digits = enoughDigits(expression.tree, operands, this.ctx.digits, shown, others);
    const texts = operands.map((operand) => bracketed(operand, digits, others));
    return { numbers: joined(expression, () => texts.shift() ?? ""), shown };
  }

  /** Returns the summands of a sum, or the arguments of max or argmax, in numbers, and the value as printed. @param {Reduction} reduction @param {number} value */
  #listed(reduction, value) {
    const { reduce } = reduction;
    const values = this.evaluator.summands(reduction, this.own);
    const isSum = reduce === "Σ";
    const shown = this.ctx.text(value, ...values);
    const tree = values.slice(1).reduce((left) => [isSum ? "+" : "max", left, "operand"], /** @type {any} */ ("operand"));
    const isWhole = reduce !== "argmax" && values.length <= MAX_LISTED;
    const digits = isWhole ? enoughDigits(tree, values, this.ctx.digits, shown) : this.ctx.digits;
    const row = formatList(values, isSum ? " + " : ", ", digits);
    return { numbers: isSum ? row : `${reduce}(${row})`, shown };
  }

  /** Returns the terms and the scale of a sum, or the candidates of a maximum. @param {Formula} rule */
  #sum(rule) {
    const { value: { tree }, sum } = this.evaluator.caseOf(rule);
    if (!Array.isArray(tree) && tree.reduce?.includes("max")) return { pick: this.#pick(tree) };
    const { parts, scale } = /** @type {SumOfProducts} */ (sum);
    const terms = parts.flatMap(({ over, terms: summands }) => {
      const scopes = over ? this.evaluator.scopes(over, this.own) : [this.own];
      const isShort = over !== null && this.evaluator.present(over).length === 1;
      return scopes.flatMap((scope) => {
        return summands.map((factors) => term(...factors.map((factor) => this.#factor(factor, scope, isShort))));
      });
    });
    if (!scale) return { terms };
    const share = this.evaluator.evaluate(scale.tree, this.own);
    return { terms, scale: { symbols: this.writer.expression(scale, this.writer.numbers), value: share } };
  }

  /**
   * Returns the elements of an input over which a maximum runs, and the position of the largest.
   *
   * @param {Reduction} reduction
   */
  #pick({ over, value }) {
    const factors = this.evaluator.scopes(over, this.own).map((scope) => this.#factor(value, scope, false));
    const candidates = factors.map((factor) => ({ cell: factor.cell ?? "", value: factor.value }));
    const winner = placeOfLargest(candidates.map((candidate) => candidate.value));
    return { candidates, winner };
  }

  /**
   * Returns a factor of a term: an element of an input, or the value of an expression.
   *
   * @param {Expression} factor @param {Record<string, number>} scope
   * @param {boolean} isShort  whether to write indices: the sum runs over one letter @returns {Factor}
   */
  #factor(factor, scope, isShort) {
    const element = this.evaluator.element(factor.tree, scope);
    if (element?.gap) return { name: this.ctx.symbolOf(element.read), cell: null, value: 0, gap: element.gap };
    if (element) return this.ctx.factor(element.read, element.index);
    const value = Number(this.evaluator.evaluate(factor.tree, scope));
    const indices = { ...this.writer.own, ...scope };
    const name = this.writer.expression(factor, { indices, written: isShort ? "all" : "none" });
    return { name, cell: null, value, gap: null };
  }
}
