/**
 * Padding, cropping, permutation of axes, repetition and selection, explained. Equations: engine/reference.js.
 *
 * @typedef {import("./cell_context.js").CellContext} CellContext
 * @typedef {import("./details.js").Details} Details
 * @typedef {import("./notation.js").Index} Index
 */

import { term } from "./cell_context.js";
import { at, letters, minus, plus, withBar } from "./notation.js";

/** y[m] = x̄[m − before], where x̄ is x with zeros around it @param {CellContext} ctx @returns {Details} */
export function pad(ctx) {
  const { before } = ctx.attributes;
  return moved(ctx, (index) => index.map((position, axis) => minus(position, before[axis])), withBar(ctx.symbolOf(0)));
}

/** y[m] = x[m + before] @param {CellContext} ctx @returns {Details} */
export function crop(ctx) {
  const { before } = ctx.attributes;
  return moved(ctx, (index) => index.map((position, axis) => plus(position, before[axis])), ctx.symbolOf(0));
}

/** y[m] = x[k] with k[axes[a]] = m[a] @param {CellContext} ctx @returns {Details} */
export function permute(ctx) {
  /** @type {number[]} */
  const axes = ctx.attributes.axes;
  return moved(ctx, (index) => index.map((_, axis) => index[axes.indexOf(axis)]), ctx.symbolOf(0));
}

/** y[m] = x[k], where k is 0 along each axis that is repeated @param {CellContext} ctx @returns {Details} */
export function broadcast(ctx) {
  const { shape } = ctx.tensor(0);
  return moved(ctx, (index) => index.map((place, axis) => (shape[axis] === 1 ? 0 : place)), ctx.symbolOf(0));
}

/** dx[k] = Σ_m dy[m], over all elements m that repeat the element k @param {CellContext} ctx @returns {Details} */
export function broadcast_dx(ctx) {
  const { shape } = ctx.tensor(0);
  const names = letters(shape.length);
  const repeats = shape.map((size, axis) => size > 1 && ctx.shape[axis] === 1);
  /** @type {number[][]} */
  let places = [[]];
  shape.forEach((size, axis) => {
    const along = repeats[axis] ? Array.from({ length: size }, (_, place) => place) : [ctx.own[axis]];
    places = places.flatMap((place) => along.map((index) => [...place, index]));
  });
  const repeated = names.filter((_, axis) => repeats[axis]);
  const total = repeated.length ? `Σ_{${repeated.join(",")}} ` : "";
  const general = names.map((name, axis) => (repeats[axis] ? 0 : name));
  const [symbols, here] = [general, ctx.own].map((/** @type {Index[]} */ index) => {
    const read = names.map((name, axis) => (repeats[axis] ? name : index[axis]));
    return `${at(ctx.result, ...index)} = ${total}${at(ctx.symbolOf(0), ...read)}`;
  });
  const words = ctx.sentences({ layer: ctx.layer });
  return { words, symbols, here, terms: places.map((place) => term(ctx.factor(0, place))) };
}

/** y[k] = x[i[k]] @param {CellContext} ctx @returns {Details} */
export function gather(ctx) {
  const own = ctx.symbolOf(0);
  const place = placesOf(ctx, ctx.array(0).data.length)[ctx.own[0]];
  return {
    words: ctx.sentences({ layer: ctx.layer, read: own }),
    symbols: `${at(ctx.result, "k")} = ${at(own, at(ctx.symbolOf(1), "k"))}`,
    here: `${at(ctx.result, ...ctx.own)} = ${at(own, place)}`,
    terms: [term(ctx.factor(0, [place]))],
  };
}

/** dx[k] = Σ_e dy[e], over all places e with i[e] = k @param {CellContext} ctx @returns {Details} */
export function gather_dx(ctx) {
  const [own] = ctx.own;
  /** @type {number[]} */
  const places = [];
  placesOf(ctx, ctx.shape[0]).forEach((source, place) => {
    if (source === own) places.push(place);
  });
  const condition = at(ctx.symbolOf(1), "e");
  const [symbols, here] = ["k", own].map((index) => {
    return `${at(ctx.result, index)} = Σ_{e: ${condition}=${index}} ${at(ctx.symbolOf(0), "e")}`;
  });
  return { words: ctx.sentences({ layer: ctx.layer }), symbols, here, terms: places.map((place) => term(ctx.factor(0, [place]))) };
}

/** The places that the second input selects; one outside the elements is the first. @param {CellContext} ctx @param {number} size */
function placesOf(ctx, size) {
  return Array.from(ctx.array(1).data, (index) => (index > 0 && index < size ? Math.trunc(index) : 0));
}

/**
 * Explains a moved value or a padding zero; `source` maps an index of the output to an index of the input.
 *
 * @param {CellContext} ctx @param {(index: Index[]) => Index[]} source @param {string} read
 * @returns {Details}
 */
function moved(ctx, source, read) {
  const { shape } = ctx.array(0);
  const cell = source(ctx.own).map(Number);
  const inside = cell.every((index, axis) => index >= 0 && index < shape[axis]);
  const zero = { name: ctx.symbolOf(0), cell: null, value: 0, gap: "padding" };
  const [symbols, here] = [letters(shape.length), ctx.own].map(
    (/** @type {Index[]} */ index) => `${at(ctx.result, ...index)} = ${at(read, ...source(index))}`,
  );
  const words = ctx.sentences({ inside, read: ctx.symbolOf(0), layer: ctx.layer });
  return { words, symbols, here, terms: [term(inside ? ctx.factor(0, cell) : zero)] };
}
