/**
 * Sums of branches and concatenation, explained. Equations: chainrule/operations, engine/reference.js.
 *
 * @typedef {import("./cell_context.js").CellContext} CellContext
 * @typedef {import("./details.js").Details} Details
 * @typedef {import("../types.js").Operation} Operation
 */

import { ravel, unravel } from "../engine/tensor.js";
import { CellContext as Context, term } from "./cell_context.js";
import { calculation } from "./calculations.js";
import { at, letters, minus } from "./notation.js";

/** Partial sums: add1.y2, relu1.dy_sum2. */
const PARTIAL = /^(?:.*\.)?(?:y|d\w+_sum)\d+$/u;

/**
 * y[c,i,j] = a[c,i,j] + b[c,i,j] + …, including the terms of earlier pairwise additions
 *
 * @param {CellContext} ctx @returns {Details}
 */
export function add(ctx) {
  const details = calculation(ctx);
  const { storage } = ctx.tensor(0);
  const writer = ctx.catalogue.writers.get(storage);
  if (!writer || !isPartial(storage, writer.operation)) return details;
  const index = unravel(ravel(ctx.own, ctx.shape), ctx.catalogue.entry(storage).shape);
  const before = add(new Context(ctx.trace, ctx.catalogue, storage, index, writer));
  const symbols = putIn(before.symbols, details.symbols);
  return { ...details, symbols, here: putIn(before.here, details.here), terms: [...(before.terms ?? []), ...(details.terms ?? []).slice(1)] };
}

/** Returns whether an operation writes a partial sum. @param {string} tensor @param {Operation} operation */
function isPartial(tensor, { name }) {
  return name === "add" && PARTIAL.test(tensor);
}

/** Replaces a partial sum in an equation with its terms. @param {string} [partial] @param {string} [equation] */
function putIn(partial = "", equation = "") {
  const [name, terms] = partial.split(" = ");
  return equation.replace(name, terms);
}

/** y[c,i,j] = x_k[c − o_k,i,j], an element of one of the inputs @param {CellContext} ctx @returns {Details} */
export function concatenate(ctx) {
  const { axis } = ctx.attributes;
  let [read, offset] = [0, 0];
  while (ctx.own[axis] >= offset + ctx.tensor(read).shape[axis]) {
    offset += ctx.tensor(read).shape[axis];
    read += 1;
  }
  const names = letters(ctx.own.length);
  const place = ctx.own.map((index, dimension) => (dimension === axis ? index - offset : index));
  const shifted = names.map((name, dimension) => (dimension === axis ? minus(name, offset) : name));
  const source = ctx.symbolOf(read);
  return {
    words: ctx.sentences({ layer: ctx.layer, own: source, index: place.join(",") }),
    symbols: `${at(ctx.result, ...names)} = ${at(source, ...shifted)}`,
    here: `${at(ctx.result, ...ctx.own)} = ${at(source, ...place)}`,
    terms: [term(ctx.factor(read, place))],
  };
}
