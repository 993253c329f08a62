/**
 * Explanations of the cells of a trace, as the same records as in Python's chainrule/explain.
 *
 * @typedef {import("../types.js").Trace} Trace
 * @typedef {import("../types.js").Explanation} Explanation
 * @typedef {import("./cells.js").TensorCatalogue} TensorCatalogue
 * @typedef {import("./cells.js").Cell} Cell
 * @typedef {import("./details.js").Details} Details
 */

import { ravel, sameShape, text } from "../engine/tensor.js";
import { catalogueOf } from "./cells.js";
import { leaf } from "./leaves.js";
import { allSources } from "./details.js";
import { layered, named } from "./naming.js";
import { DIGITS, formatNumber } from "./numbers.js";
import { explained } from "./operations.js";
import { CellContext } from "./cell_context.js";
import { update } from "./updates.js";

/**
 * The explanation of a cell, by its name or an alias: conv2.dw[3,1,0,2], conv2.x[0,1,2], loss.y.
 *
 * @param {Trace} trace @param {string} cell @param {number} [digits]  significant digits of numbers in texts
 * @returns {Explanation}
 */
export function explain(trace, cell, digits = DIGITS) {
  const catalogue = catalogueOf(trace);
  const { tensor, index } = catalogue.read(cell);
  const entry = catalogue.entry(tensor);
  const { operation, details } = derive(trace, catalogue, { tensor, index }, digits);
  const value = valueOf(trace, { tensor, index });
  const { words, symbols = null, here = null, terms = [], sources: _, ...parts } = details;
  const defined = Object.fromEntries(Object.entries(parts).filter(([, part]) => part !== undefined));
  const { code, derivations } = trace.description;
  const known = operation ?? ""; // no code or derivation has this name
  const last = parts.steps?.[parts.steps.length - 1];
  return {
    cell: named(tensor, index),
    tensor,
    index,
    value,
    shown: last && last.value === value ? last.shown : formatNumber(value, digits),
    layer: layered(tensor).layer || null,
    operation,
    title: entry.title,
    words,
    symbols,
    here,
    terms,
    ...defined,
    code: code?.[tensor] ?? code?.[known] ?? [],
    derivation: derivations?.[known] ?? null,
    sources: allSources(details),
  };
}

/** The canonical name of a cell. @param {Trace} trace @param {string} cell */
export function canonical(trace, cell) {
  const { tensor, index } = catalogueOf(trace).read(cell);
  return named(tensor, index);
}

/** @param {Trace} trace @param {Cell} cell */
function valueOf(trace, { tensor, index }) {
  const array = trace.values.get(tensor);
  if (!array) throw new Error(`this trace holds no ${tensor}`);
  return array.data[ravel(index, array.shape)];
}

/**
 * Returns the operation that computed a value, and the value's explanation.
 *
 * @param {Trace} trace @param {TensorCatalogue} catalogue @param {Cell} cell @param {number} digits
 */
function derive(trace, catalogue, { tensor, index }, digits) {
  const writer = catalogue.writers.get(tensor);
  const entry = catalogue.entry(tensor);
  if (!writer) {
    if (entry.kind !== "update") return { operation: null, details: leaf(trace.description, entry, trace.frame.step + 1) };
    return { operation: trace.description.optimizer.operation, details: update(trace, tensor, index, digits) };
  }
  const ctx = new CellContext(trace, catalogue, tensor, index, writer, digits);
  const operation = ctx.operation.name;
  const details = explained(ctx);
  return { operation, details: { ...details, words: details.words + otherShape(ctx, index, entry.shape) } };
}

/**
 * Returns a sentence if the operation computes the tensor in a different shape.
 *
 * @param {CellContext} ctx @param {number[]} index @param {number[]} shape
 */
function otherShape(ctx, index, shape) {
  if (!shape.length || sameShape(ctx.shape, shape)) return "";
  const facts = { layer: ctx.layer, shape: text(shape), seen: text(ctx.shape), index, own: ctx.own };
  return ctx.sentences(facts, "reshaped");
}
