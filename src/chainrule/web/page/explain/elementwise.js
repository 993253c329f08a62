/**
 * Explanations of element-wise operations and their gradients. Formulas: chainrule/operations/activations.toml.
 *
 * The Python version, which also supports batches: chainrule/explain/formulas.py.
 *
 * @typedef {import("./cell_context.js").CellContext} CellContext
 * @typedef {import("./details.js").Details} Details
 * @typedef {import("./notation.js").Index} Index
 */

import { operations } from "../engine/operations.js";
import { ravel } from "../engine/tensor.js";
import { calculationLine, chain, evaluate, inLetters, inNumbers } from "./formulas.js";
import { at, letters } from "./notation.js";
import { term } from "./cell_context.js";

/** y = f(x) @param {CellContext} ctx @returns {Details} */
export function value(ctx) {
  const { name } = ctx.operation;
  const { value: formulas = [], facts: conditions = {} } = ctx.trace.description.operations[name];
  const x = ctx.factor(0, ctx.own);
  const known = { ...ctx.attributes, x: x.value };
  const steps = chain(formulas, known, {}, {}, { digits: ctx.digits, last: ctx.value });
  const last = formulas[formulas.length - 1];
  const [y, read] = [ctx.result, ctx.symbolOf(0)];
  const index = letters(ctx.own.length);
  const symbols = `${at(y, ...index)} = ${inLetters(last, { x: at(read, ...index) })}`;
  const names = { ...Object.fromEntries(steps.map((step) => [step.name, step.name])), x: at(read, ...ctx.own) };
  const here = `${at(y, ...ctx.own)} = ${inNumbers(last, known, names, ctx.digits)}`;
  const facts = Object.entries(conditions).map(([fact, { tree }]) => [fact, evaluate(tree, known)]);
  const attributes = Object.entries(ctx.attributes).map(([letter, number]) => [letter, ctx.text(number, x.value)]);
  const words = ctx.sentences({ ...Object.fromEntries([...facts, ...attributes]), x: ctx.text(x.value, ...Object.values(ctx.attributes)) });
  return { words, symbols, here, curve: curveAt(ctx, name, x.value), steps, sources: [x.cell ?? ""] };
}

/** dx = dy · f′(x) @param {CellContext} ctx @returns {Details} */
export function gradient(ctx) {
  const name = ctx.operation.name.replace(/_dx$/, "");
  const { slope: formulas = [], keeps = "x", called = name } = ctx.trace.description.operations[name];
  const [dy, kept] = [ctx.factor(0, ctx.own), ctx.factor(1, ctx.own)];
  const slope = slopeAt(ctx, name, kept.value);
  const steps = chain(formulas, { ...ctx.attributes, [keeps]: kept.value }, {}, {}, { digits: ctx.digits, last: slope });
  const [dx, read] = [ctx.result, ctx.symbolOf(0)];
  steps.push(calculationLine(ctx, dx, `${read} · f′(x)`, "{} · {}", ["·", "dy", "f"], [dy.value, slope]));
  const [symbols, here] = [letters(ctx.own.length), ctx.own].map(
    (/** @type {Index[]} */ index) => `${at(dx, ...index)} = ${at(read, ...index)} · f′(${at("x", ...index)})`,
  );
  const x = before(ctx);
  const facts = { called, x: ctx.text(x), slope: ctx.text(slope, 1), passes: slope === 1, stops: slope === 0 };
  return {
    words: ctx.sentences(facts, "activation_dx"),
    symbols,
    here,
    terms: [term(dy, { name: "f′(x)", cell: null, value: slope, gap: null })],
    curve: curveAt(ctx, name, x),
    steps,
    sources: [kept.cell ?? ""],
  };
}

/**
 * Returns f′(x), computed as the engine's gradient for dy = 1.
 *
 * @param {CellContext} ctx @param {string} name @param {number} kept
 */
function slopeAt(ctx, name, kept) {
  return operations[`${name}_dx`]([single(1), single(kept)], ctx.attributes)[0].data[0];
}

/** @param {CellContext} ctx @param {string} name @param {number} x */
function curveAt(ctx, name, x) {
  const y = operations[name]([single(x)], ctx.attributes)[0].data[0];
  const { keeps } = ctx.trace.description.operations[name];
  return { function: name, x, y, slope: slopeAt(ctx, name, keeps === "y" ? y : x) };
}

/** @param {number} number */
function single(number) {
  return { shape: [1], data: Float64Array.of(number) };
}

/** Returns the input x of an activation, even if its gradient is computed from y. @param {CellContext} ctx */
function before(ctx) {
  const source = ctx.trace.values.get(ctx.catalogue.inputs.get(ctx.layer) ?? "");
  if (!source) throw new Error(`this trace has no input of ${ctx.layer}`);
  return source.data[ravel(ctx.own, ctx.shape)];
}
