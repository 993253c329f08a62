/**
 * Element-wise operations and their gradients, explained from their formulas (chainrule/operations).
 *
 * The same as in Python: chainrule/explain/elementwise.py, for one sample.
 *
 * @typedef {import("./site.js").Site} Site
 * @typedef {import("./made.js").Made} Made
 * @typedef {import("./notation.js").Index} Index
 */

import { operations } from "../engine/operations.js";
import { ravel } from "../engine/tensor.js";
import { chain, evaluate, inLetters, inNumbers } from "./formulas.js";
import { at, letters } from "./notation.js";
import { bracketed, shown } from "./numbers.js";
import { term } from "./site.js";

/** y = f(x), entry by entry @param {Site} site @returns {Made} */
export function value(site) {
  const { name } = site.operation;
  const { value: formulas = [], facts: conditions = {} } = site.trace.description.operations[name];
  const x = site.factor(0, site.own);
  const known = { ...site.attributes, x: x.value };
  const steps = chain(formulas, known, {}, {});
  const last = formulas[formulas.length - 1];
  const [y, read] = [site.result, site.called(0)];
  const index = letters(site.own.length);
  const symbols = `${at(y, ...index)} = ${inLetters(last, { x: at(read, ...index) })}`;
  const names = { ...Object.fromEntries(steps.map((step) => [step.name, step.name])), x: at(read, ...site.own) };
  const here = `${at(y, ...site.own)} = ${inNumbers(last, known, names)}`;
  const facts = Object.entries(conditions).map(([fact, { tree }]) => [fact, evaluate(tree, known)]);
  const attributes = Object.entries(site.attributes).map(([letter, number]) => [letter, shown(number)]);
  const words = site.say({ ...Object.fromEntries([...facts, ...attributes]), x: shown(x.value) });
  steps[steps.length - 1].value = site.value;
  return { words, symbols, here, curve: curveAt(site, name, x.value), steps, sources: [x.cell ?? ""] };
}

/** dx = dy · f′(x), entry by entry @param {Site} site @returns {Made} */
export function gradient(site) {
  const name = site.operation.name.replace(/_dx$/, "");
  const { slope: formulas = [], keeps = "x", called = name } = site.trace.description.operations[name];
  const [dy, kept] = [site.factor(0, site.own), site.factor(1, site.own)];
  const slope = slopeAt(site, name, kept.value);
  const steps = chain(formulas, { ...site.attributes, [keeps]: kept.value }, {}, {});
  steps[steps.length - 1].value = slope;
  const [dx, read] = [site.result, site.called(0)];
  const numbers = `${bracketed(dy.value)} · ${bracketed(slope)}`;
  steps.push({ name: dx, symbols: `${read} · f′(x)`, numbers, value: site.value });
  const [symbols, here] = [letters(site.own.length), site.own].map(
    (/** @type {Index[]} */ index) => `${at(dx, ...index)} = ${at(read, ...index)} · f′(${at("x", ...index)})`,
  );
  const x = before(site);
  const facts = { called, x: shown(x), slope: shown(slope), passes: slope === 1, stops: slope === 0 };
  return {
    words: site.say(facts, "activation_dx"),
    symbols,
    here,
    terms: [term(dy, { name: "f′(x)", cell: null, value: slope, why: "" })],
    curve: curveAt(site, name, x),
    steps,
    sources: [kept.cell ?? ""],
  };
}

/** f′ by the engine's own gradient, for a dy of 1. @param {Site} site @param {string} name @param {number} kept */
function slopeAt(site, name, kept) {
  return operations[`${name}_dx`]([single(1), single(kept)], site.attributes)[0].data[0];
}

/** @param {Site} site @param {string} name @param {number} x */
function curveAt(site, name, x) {
  const y = operations[name]([single(x)], site.attributes)[0].data[0];
  const { keeps } = site.trace.description.operations[name];
  return { function: name, x, y, slope: slopeAt(site, name, keeps === "y" ? y : x) };
}

/** @param {number} number */
function single(number) {
  return { shape: [1], data: Float64Array.of(number) };
}

/** x of an activation whose gradient reads y: what the layer read. @param {Site} site */
function before(site) {
  const source = site.trace.values.get(site.catalogue.inputs.get(site.layer) ?? "");
  if (!source) throw new Error(`this trace holds no input of ${site.layer}`);
  return source.data[ravel(site.own, site.shape)];
}
