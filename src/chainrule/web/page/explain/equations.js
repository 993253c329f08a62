/**
 * Explanations of sums of products: the equation in letters, the equation with a cell's indices, and the terms.
 *
 * The equations are defined in chainrule/operations; the network's description contains them in parsed form. The Python
 * version, which also supports batches: chainrule/explain/equations.py.
 *
 * @typedef {import("../types.js").Factor} Factor
 * @typedef {import("../types.js").Term} Term
 * @typedef {import("./cell_context.js").CellContext} CellContext
 * @typedef {import("./derivation.js").Derivation} Derivation
 * @typedef {import("./notation.js").Index} Index
 * @typedef {import("./window.js").Values} Values
 * @typedef {import("../types.js").ParsedIndex} Parsed
 * @typedef {import("../types.js").ParsedReference} Reference
 * @typedef {import("../types.js").ParsedSum} Part
 */

import { at, letters as lettersFor, withBar, minus, over, plus, sumOver, times } from "./notation.js";
import { term } from "./cell_context.js";
import { layered } from "./naming.js";
import { Window } from "./window.js";
import { fill } from "./words.js";

/** @type {Record<string, (first: Index, second: Index) => Index>} */
const OPERATORS = { "+": plus, "−": minus, "·": times, "/": over };

/** Explains a value that is a sum of products. @param {CellContext} ctx @returns {Derivation} */
export function sumOfProducts(ctx) {
  return new Equation(ctx).derive();
}

/** An operation's equation, applied to one element of the result. */
class Equation {
  /** @param {CellContext} ctx */
  constructor(ctx) {
    this.ctx = ctx;
    this.entry = ctx.trace.description.operations[ctx.operation.name];
    this.window = "stride" in ctx.attributes ? new Window(ctx) : null;
    const { result, parts } = this.entry.parsed;
    /** Whether all factors have the same index as the result. The equation then holds for any number of axes. */
    this.elementwise = parts.every(({ factors }) => factors.every(({ index }) => `${index}` === `${result.index}`));
    /** The result's index, without the sample. @type {Parsed[]} */
    this.index = this.elementwise ? lettersFor(ctx.shape.length) : result.index.filter((letter) => letter !== "n");
    /** The values of the letters in the result's index. @type {Record<string, number>} */
    this.own = {};
    const letters = /** @type {string[]} */ (this.index);
    ctx.own.forEach((number, axis) => {
      this.own[letters[axis]] = number;
    });
    const letter = "o" in this.own ? "o" : "c";
    this.group = this.window ? this.window.group(letter, this.own[letter]) : 0;
    /** Summands whose tensors the operation reads; a bias may be missing. */
    this.parts = parts.filter(({ factors }) => factors.every((factor) => ctx.reads(this.#read(factor))));
  }

  /** @returns {Derivation} */
  derive() {
    const letters = this.window ? this.window.letters() : [{}, {}];
    const numbers = this.window ? this.window.numbers(this.group) : [{}, {}];
    const symbols = this.#written(letters);
    const here = this.#written(numbers.map((axis) => ({ ...axis, ...this.own })));
    const terms = this.parts.flatMap((part) => this.#terms(part, numbers));
    return { words: fill(this.entry.words, this.#facts()), symbols, here, terms };
  }

  /** @param {Reference} factor */
  #read(factor) {
    return this.entry.reads.indexOf(factor.name);
  }

  /** Returns the index of a factor, with one entry per axis of its tensor. @param {Reference} factor */
  #indices(factor) {
    const { shape } = this.ctx.array(this.#read(factor));
    const index = this.elementwise ? this.index : factor.index;
    return index.filter((letter) => letter !== "n").slice(0, shape.length);
  }

  /**
   * Returns the letters over which a part sums: those in its tensors' indices but not in the result's.
   *
   * @param {Part} part
   */
  #letters(part) {
    const names = new Set(part.factors.flatMap((factor) => this.#indices(factor).flatMap(lettersIn)));
    return part.over.filter((letter) => names.has(letter) && !(letter in this.own));
  }

  /**
   * The range of a letter: the axis whose index is the letter, or its tap.
   *
   * @param {Part} part @param {string} letter @returns {[number, number]}
   */
  #range(part, letter) {
    if (this.window && this.entry.within?.includes(letter)) {
      return [this.group * this.window.filters, (this.group + 1) * this.window.filters];
    }
    for (const factor of part.factors) {
      const axis = this.#indices(factor).findIndex((index) => index === letter || index === `${letter}'`);
      if (axis >= 0) return [0, this.ctx.array(this.#read(factor)).shape[axis]];
    }
    throw new Error(`no axis has the index ${letter}`);
  }

  /** @param {Part} part @param {Values[]} constants @returns {Term[]} */
  #terms(part, constants) {
    const letters = this.#letters(part);
    const ranges = letters.map((letter) => this.#range(part, letter));
    /** @type {Term[]} */
    const terms = [];
    const walk = (/** @type {Record<string, number>} */ assigned, /** @type {number} */ depth) => {
      if (depth === letters.length) {
        const values = constants.map((axis) => ({ ...axis, ...this.own, ...assigned }));
        terms.push(term(...part.factors.map((factor) => this.#factor(factor, values))));
        return;
      }
      for (let value = ranges[depth][0]; value < ranges[depth][1]; value += 1) {
        walk({ ...assigned, [letters[depth]]: value }, depth + 1);
      }
    };
    walk({}, 0);
    return terms;
  }

  /**
   * An element of an input, or the zero of padding or stride.
   *
   * @param {Reference} factor @param {Values[]} values @returns {Factor}
   */
  #factor(factor, values) {
    const read = this.#read(factor);
    const { shape } = this.ctx.array(read);
    const evaluatedIndex = this.#indices(factor).map((index, axis) => evaluated(index, values[plane(axis, shape.length)]));
    const none = { name: this.ctx.symbolOf(read), cell: null, value: 0 };
    if (evaluatedIndex.some((cell) => cell === null)) return { ...none, why: "stride" };
    let cells = /** @type {number[]} */ (evaluatedIndex);
    if (this.window && factor.name === this.entry.framed) {
      const { before } = this.window;
      cells = cells.map((cell, axis) => (axis < cells.length - 2 ? cell : cell - before[axis - cells.length + 2]));
    }
    if (factor.bar && !cells.every((cell, axis) => cell >= 0 && cell < shape[axis])) return { ...none, why: "padding" };
    return this.ctx.factor(read, cells);
  }

  /** @param {Values[]} values */
  #written(values) {
    const index = this.index.filter((letter) => String(letter) in this.own);
    const right = this.parts.map((part) => {
      const factors = part.factors.map((factor) => this.#reference(this.#name(factor), this.#indices(factor), values));
      return sumOver(...this.#letters(part)) + factors.join(" · ");
    });
    return `${this.#reference(this.ctx.result, index, values)} = ${right.join(" + ")}`;
  }

  /** @param {Reference} factor */
  #name(factor) {
    const name = this.ctx.symbolOf(this.#read(factor));
    const extended = factor.name === this.entry.extended;
    return factor.bar && (extended || this.window?.padded) ? withBar(name) : name;
  }

  /** A tensor with its indices. @param {string} name @param {Parsed[]} indices @param {Values[]} values */
  #reference(name, indices, values) {
    const texts = indices.map((index, axis) => evaluated(index, values[plane(axis, indices.length)]) ?? "");
    return at(name, ...texts);
  }

  /** Returns the facts that sentences use. @returns {Record<string, any>} */
  #facts() {
    const { ctx } = this;
    const place = this.entry.reads.indexOf("b");
    const bias = place >= 0 && ctx.reads(place);
    const untied = bias && ctx.array(place).shape.length === ctx.shape.length;
    return {
      layer: ctx.layer,
      x: ctx.symbolOf(0),
      batch: false,
      gradient: /^d/.test(layered(ctx.write.name).rest), // or a part of a gradient
      bias,
      untied,
      tied: !untied,
      transposed: (ctx.symbolOf(0) === "x") === ctx.operation.name.endsWith("_dx"),
      everywhere: this.parts.some((part) => this.#letters(part).length > 0),
      ...this.own,
      ...(this.window ? this.window.facts() : {}),
    };
  }
}

/** Returns the letters in an index, with u for u'. @param {Parsed} index @returns {string[]} */
export function lettersIn(index) {
  if (Array.isArray(index)) return [...lettersIn(index[1]), ...lettersIn(index[2])];
  return typeof index === "string" ? [index.replace("'", "")] : [];
}

/**
 * Returns which window constants apply to an axis: 1 (columns) for the last axis, 0 (rows) for all others.
 *
 * @param {number} axis @param {number} axes
 */
function plane(axis, axes) {
  return axis === axes - 1 ? 1 : 0;
}

/**
 * Evaluates an index for given values of its letters; returns null if the result is a fraction.
 *
 * @param {Parsed} index @param {Values} values @returns {Index | null}
 */
export function evaluated(index, values) {
  if (Array.isArray(index)) {
    const [operator, left, right] = index;
    const [first, second] = [evaluated(left, values), evaluated(right, values)];
    if (first === null || second === null) return null;
    if (operator === "/" && typeof first === "number" && typeof second === "number") {
      return first % second ? null : first / second;
    }
    return OPERATORS[operator](first, second);
  }
  if (typeof index === "string" && index.endsWith("'")) {
    const tap = values[index.slice(0, -1)] ?? index.slice(0, -1);
    return "last" in values ? minus(values.last, tap) : tap;
  }
  return typeof index === "string" ? (values[index] ?? index) : index;
}
