/**
 * Values of an operation's formulas at one element of its result. The formulas are in chainrule/operations.
 *
 * A formula is evaluated in a scope, which assigns a number to each index letter. A trace has one sample, so the sample's
 * letter n is ignored. The Python version evaluates all summands at once: chainrule/explain/evaluation.py.
 *
 * @typedef {import("../types.js").CalculationEntry} CalculationEntry
 * @typedef {import("../types.js").Formula} Formula
 * @typedef {import("../types.js").ParsedIndex} ParsedIndex
 * @typedef {import("../types.js").Reduction} Reduction
 * @typedef {import("./cell_context.js").CellContext} CellContext
 * @typedef {Record<string, number>} Scope
 * @typedef {import("./named_tensors.js").NamedTensor} NamedTensor
 * @typedef {{read: number, index: number[], gap: string | null}} Element  gap: why the input has no such element
 */

import { placeOfLargest, ravel, unravel } from "../engine/tensor.js";
import { FUNCTIONS } from "./formulas.js";
import { assigned, constantsOf, namedTensors, sizesOf, withoutSample } from "./named_tensors.js";

export const BAR = "\u0304"; // x̄ is x, extended by zeros
const DELTA = "δ"; // δ[l,k] is 1 if l = k, else 0

/** @type {Record<string, (values: number[]) => number>} */
const REDUCTIONS = {
  "Σ": (values) => values.reduce((sum, value) => sum + value, 0),
  max: (values) => Math.max(...values),
  argmax: placeOfLargest,
};

/** Evaluates an operation's formulas. The elements that are read are recorded. */
export class Evaluator {
  /**
   * Flat positions of the recorded elements, by tensor; null while nothing is recorded.
   *
   * @type {Map<string, Set<number>> | null}
   */
  #recorded = new Map();
  /** @type {Record<string, string[]>} */
  #stepIndices = {};

  /** @param {CellContext} ctx */
  constructor(ctx) {
    this.ctx = ctx;
    const entry = /** @type {unknown} */ (ctx.trace.description.operations[ctx.operation.name]);
    this.entry = /** @type {CalculationEntry} */ (entry);
    /** The scope of the explained element. @type {Scope} */
    this.own = assigned(withoutSample(this.entry.writes[ctx.place].index), ctx.own);
    /** Results of the steps evaluated so far. @type {Record<string, number>} */
    this.values = {};
    /** Formulas that are evaluated wherever their names occur. */
    this.where = Object.fromEntries(this.entry.where.map((formula) => [formula.name, formula]));
    this.tensors = namedTensors(ctx, this.entry);
    for (const name of Object.keys(this.tensors)) this.#recorded?.set(name, new Set());
    /** Size of each axis, by letter. */
    this.sizes = sizesOf(ctx, this.tensors, Object.keys(this.own));
    const { ranges, indices, over } = this.entry;
    /** All index letters. Letters of axes that the tensors do not have are ignored in formulas. */
    this.letters = new Set([this.sizes, this.own, ranges, indices].flatMap(Object.keys));
    /** Attributes and sizes by name. M is the number of values over which a sum without letters runs. */
    this.constants = constantsOf(ctx, this.entry, this.tensors, this.sizes);
    for (const [name, { tree }] of Object.entries(this.entry.constants)) this.constants[name] = this.evaluate(tree, this.own);
    if (over) this.constants.M = this.scopes([], this.own).length;
  }

  /** The value of a parsed expression or condition. @param {any} tree @param {Scope} scope @returns {any} */
  evaluate(tree, scope) {
    if (Array.isArray(tree)) {
      const [operator, ...operands] = tree;
      return FUNCTIONS[operator](...operands.map((operand) => this.evaluate(operand, scope)));
    }
    if (typeof tree === "string") return this.#named(tree, scope);
    if (typeof tree !== "object") return tree;
    if ("reduce" in tree) return REDUCTIONS[tree.reduce](this.summands(tree, scope));
    return this.#at(tree, scope);
  }

  /** The value of a formula. @param {Formula} formula @param {Scope} scope @returns {number} */
  formula(formula, scope) {
    return this.evaluate(this.caseOf(formula, scope).value.tree, scope);
  }

  /** The first case whose condition is true. @param {Formula} formula @param {Scope} [scope] */
  caseOf({ name, cases = [] }, scope = this.own) {
    const match = cases.find(({ when }) => !when || this.evaluate(when.tree, scope));
    if (!match) throw new Error(`no case of ${name} holds`);
    return match;
  }

  /** @param {string} name @param {Scope} scope @returns {any} */
  #named(name, scope) {
    if (name in scope) return scope[name];
    if (plain(name) in this.tensors) return this.#read(name, scope);
    if (name in this.where) return this.formula(this.where[name], scope);
    if (name in this.values) return this.values[name];
    if (name in this.entry.indices) return this.formula(this.entry.indices[name], scope);
    return this.constants[name];
  }

  /**
   * The value of a name at another index: x[n,l].
   *
   * @param {{name: string, index: ParsedIndex[]}} reference @param {Scope} scope
   */
  #at({ name, index }, scope) {
    if (name !== DELTA) return this.#named(name, this.moved(name, index, scope));
    const [first, second] = index.map((position) => this.evaluate(position, scope));
    return first === second ? 1 : 0;
  }

  /**
   * Returns the scope where a name has another index.
   *
   * @param {string} name @param {ParsedIndex[]} index @param {Scope} scope
   */
  moved(name, index, scope) {
    const positions = withoutSample(index);
    const pairs = this.lettersOf(name).flatMap((letter, axis) => {
      const isMoved = axis < positions.length && typeof letter === "string" && this.letters.has(letter);
      return isMoved ? [[letter, this.evaluate(positions[axis], scope)]] : [];
    });
    return { ...scope, ...Object.fromEntries(pairs) };
  }

  /** The index of a tensor or a formula; a scalar has none. @param {string} name @returns {ParsedIndex[]} */
  lettersOf(name) {
    if (plain(name) in this.tensors) return this.tensors[plain(name)].letters;
    return withoutSample(this.where[name]?.index ?? this.#stepIndices[name] ?? []);
  }

  /**
   * Makes the result of a step available to later formulas.
   *
   * @param {string} name @param {string[]} index @param {number} value
   */
  addStep(name, index, value) {
    this.values[name] = value;
    this.#stepIndices[name] = index;
  }

  /**
   * The index of a tensor's element in a scope.
   *
   * @param {NamedTensor} tensor @param {Scope} scope @returns {number[]}
   */
  #indexOf({ letters }, scope) {
    return letters.map((position) => this.evaluate(position, scope));
  }

  /**
   * Returns the element of an input that an expression denotes; null for other expressions.
   *
   * @param {any} tree @param {Scope} scope @returns {Element | null}
   */
  element(tree, scope) {
    const { name = "", index = [] } = typeof tree === "string" ? { name: tree } : tree;
    const tensor = this.tensors[plain(name)];
    if (!tensor || tensor.read === null) return null;
    const position = this.#indexOf(tensor, this.moved(name, index, scope));
    return { read: tensor.read, index: position, gap: gapAt(position, tensor.array.shape) };
  }

  /**
   * Returns an element of a tensor; 0 for an element of x̄ that x does not have.
   *
   * @param {string} name @param {Scope} scope
   */
  #read(name, scope) {
    const { array } = this.tensors[plain(name)];
    const position = this.#indexOf(this.tensors[plain(name)], scope);
    if (gapAt(position, array.shape)) return 0;
    const flat = ravel(position, array.shape);
    this.#recorded?.get(plain(name))?.add(flat);
    return array.data[flat];
  }

  /** The values over which a reduction runs. @param {Reduction} reduction @param {Scope} scope @returns {number[]} */
  summands({ over, value }, scope) {
    return this.scopes(over, scope).map((inner) => Number(this.evaluate(value.tree, inner)));
  }

  /** The scopes inside a sum, one for each summand. @param {string[]} over @param {Scope} scope @returns {Scope[]} */
  scopes(over, scope) {
    return this.present(over).reduce(
      (scopes, letter) => {
        const range = this.#range(letter, scope);
        return scopes.flatMap((outer) => range.map((value) => ({ ...outer, [letter]: value })));
      },
      [scope],
    );
  }

  /** Returns the letters of a sum, by default the entry's, without those of missing axes. @param {string[]} over */
  present(over) {
    return (over.length ? over : (this.entry.over ?? [])).filter((letter) => this.letters.has(letter));
  }

  /** @param {string} letter @param {Scope} scope @returns {number[]} */
  #range(letter, scope) {
    const bounds = this.entry.ranges[letter]?.map(({ tree }) => this.evaluate(tree, scope));
    const [first, end] = bounds ?? [0, this.sizes[letter]];
    return Array.from({ length: end - first }, (_, place) => first + place);
  }

  /** The names of the recorded cells, tensor by tensor in row-major order. */
  sources() {
    return [...(this.#recorded ?? [])].flatMap(([name, places]) => {
      const { tensor, array } = this.tensors[name];
      return [...places].sort((a, b) => a - b).map((flat) => this.ctx.catalogue.cell(tensor, unravel(flat, array.shape)));
    });
  }

  /** Evaluates without recording the elements that are read. @template T @param {() => T} compute @returns {T} */
  unrecorded(compute) {
    const recorded = this.#recorded;
    this.#recorded = null;
    try {
      return compute();
    } finally {
      this.#recorded = recorded;
    }
  }
}

/**
 * Returns why a tensor has no element at a position: "padding", "stride" between its elements, or null for none.
 *
 * @param {number[]} position @param {number[]} shape
 */
function gapAt(position, shape) {
  if (!position.every(Number.isInteger)) return "stride";
  return position.every((index, axis) => index >= 0 && index < shape[axis]) ? null : "padding";
}

/** Returns x for x̄. @param {string} name */
export function plain(name) {
  return name.endsWith(BAR) ? name.slice(0, -1) : name;
}
