/**
 * Pooling and its gradients, explained. Equations: engine/pooling.js.
 *
 * @typedef {import("./cell_context.js").CellContext} CellContext
 * @typedef {import("./derivation.js").Derivation} Derivation
 * @typedef {import("./notation.js").Index} Index
 * @typedef {import("../engine/shapes.js").Axis} Axis
 */

import { sliding } from "../engine/shapes.js";
import { at, withBar, plus, times } from "./notation.js";
import { term } from "./cell_context.js";

/**
 * y[c,i,j] = max_{u,v} x[c, s·i + u, s·j + v]; winner: the position of the maximum
 *
 * @param {CellContext} ctx @returns {Derivation}
 */
export function max_pool(ctx) {
  const [c, i, j] = ctx.own;
  const [rows, columns] = axes(ctx, ctx.array(0).shape.slice(1));
  const candidates = under(rows, columns, i, j).map(([h, k]) => ({
    cell: ctx.cell(0, [c, h, k]),
    value: ctx.number(0, [c, h, k]),
  }));
  let winner = 0;
  candidates.forEach(({ value }, place) => {
    const best = candidates[winner].value;
    if (value > best || (Number.isNaN(value) && !Number.isNaN(best))) winner = place;
  });
  const [name, place] = ctx.place === 0 ? ["max", false] : ["argmax", true];
  const [symbols, here] = [["c", "i", "j"], ctx.own].map(
    (/** @type {Index[]} */ index, numbers) =>
      `${at(ctx.result, ...index)} = ${name}_{u,v} ${windowed(ctx, index, numbers === 0)}`,
  );
  const best = candidates[winner].value;
  const tie = candidates.filter(({ value }) => value === best).length > 1;
  const facts = { values: candidates.length, tie, winner: place, padded: isPadded(rows, columns) };
  return { words: ctx.sentences(facts), symbols, here, pick: { candidates, winner } };
}

/** dx[c,h,k] = Σ dy[c,i,j] over the windows whose maximum is this cell @param {CellContext} ctx @returns {Derivation} */
export function max_pool_dx(ctx) {
  const [c, h, k] = ctx.own;
  const flat = h * ctx.size[1] + k;
  const { shape } = ctx.array(1);
  const terms = [];
  for (let i = 0; i < shape[1]; i += 1) {
    for (let j = 0; j < shape[2]; j += 1) {
      if (ctx.number(1, [c, i, j]) === flat) terms.push(term(ctx.factor(0, [c, i, j])));
    }
  }
  const [dx, dy, won] = [ctx.result, ctx.symbolOf(0), ctx.symbolOf(1)];
  const [symbols, here] = [
    `${at(dx, "c", "h", "k")} = Σ_{${at(won, "c", "i", "j")}=h·W+k} ${at(dy, "c", "i", "j")}`,
    `${at(dx, c, h, k)} = Σ_{${at(won, c, "i", "j")}=${flat}} ${at(dy, c, "i", "j")}`,
  ];
  const facts = { lost: !terms.length, once: terms.length === 1, windows: terms.length };
  return { words: ctx.sentences(facts), symbols, here, terms };
}

/** y[c,i,j] = 1/D · Σ_{u,v} x[c, s·i + u, s·j + v] @param {CellContext} ctx @returns {Derivation} */
export function average_pool(ctx) {
  const [c, i, j] = ctx.own;
  const [rows, columns] = axes(ctx, ctx.array(0).shape.slice(1));
  const terms = under(rows, columns, i, j).map(([h, k]) => term(ctx.factor(0, [c, h, k])));
  const divisor = divisorAt(ctx, rows, columns, i, j);
  const share = ctx.attributes.divisor !== "one";
  const [symbols, here] = [["c", "i", "j"], ctx.own].map((/** @type {Index[]} */ index, numbers) => {
    const part = share ? `1/${numbers ? divisor : "D"} · ` : "";
    return `${at(ctx.result, ...index)} = ${part}Σ_{u,v} ${windowed(ctx, index, numbers === 0)}`;
  });
  const padded = isPadded(rows, columns);
  const facts = { values: terms.length, sum: !share, counted: divisor !== terms.length, divisor, padded };
  const scale = share ? { symbols: `1/${divisor}`, value: 1 / divisor } : undefined;
  return { words: ctx.sentences(facts), symbols, here, terms, scale };
}

/** dx[c,h,k] = Σ_{i,j} dy[c,i,j] / D, over the windows that cover this cell @param {CellContext} ctx @returns {Derivation} */
export function average_pool_dx(ctx) {
  const [c, h, k] = ctx.own;
  const [rows, columns] = axes(ctx, ctx.size);
  const windows = covering(rows, h).flatMap((i) => covering(columns, k).map((j) => [i, j]));
  const divisors = windows.map(([i, j]) => divisorAt(ctx, rows, columns, i, j));
  const isUniform = new Set(divisors).size === 1;
  const terms = windows.map(([i, j], place) => {
    const share = { name: "1/D", cell: null, value: 1 / divisors[place], why: "" };
    return term(ctx.factor(0, [c, i, j]), ...(isUniform ? [] : [share]));
  });
  const isSum = ctx.attributes.divisor === "one";
  const scale = isUniform && !isSum ? { symbols: `1/${divisors[0]}`, value: 1 / divisors[0] } : undefined;
  const [symbols, here] = [["c", "h", "k"], ctx.own].map((/** @type {Index[]} */ index, numbers) => {
    const divisor = numbers && isUniform ? String(divisors[0]) : "D[i,j]";
    const sum = `Σ_{i,j} ${at(ctx.symbolOf(0), index[0], "i", "j")}`;
    return `${at(ctx.result, ...index)} = ${sum}${isSum ? "" : ` / ${divisor}`}`;
  });
  const facts = { covered: windows.length > 0, once: windows.length === 1, windows: windows.length, sum: isSum };
  return { words: ctx.sentences(facts), symbols, here, terms, scale };
}

/** @param {CellContext} ctx @param {number[]} size @returns {[Axis, Axis]} */
function axes(ctx, size) {
  const { window, stride, padding } = ctx.attributes;
  return sliding(ctx.operation.name, "window", size, window, stride, padding);
}

/**
 * Returns the positions in a window that lie on the image, row by row.
 *
 * @param {Axis} rows @param {Axis} columns @param {number} i @param {number} j
 */
function under(rows, columns, i, j) {
  return onPicture(rows, i).flatMap((h) => onPicture(columns, j).map((k) => [h, k]));
}

/**
 * Returns the cells that the window covers at a position, along one axis.
 *
 * @param {Axis} axis @param {number} position
 */
function onPicture(axis, position) {
  const first = axis.stride * position - axis.padding[0];
  const cells = Array.from({ length: axis.window }, (_, tap) => first + tap);
  return cells.filter((cell) => cell >= 0 && cell < axis.size);
}

/** Returns the windows that cover a cell. @param {Axis} axis @param {number} cell */
function covering(axis, cell) {
  return Array.from({ length: axis.outputs }, (_, i) => i).filter((i) => onPicture(axis, i).includes(cell));
}

/** @param {CellContext} ctx @param {Axis} rows @param {Axis} columns @param {number} i @param {number} j @returns {number} */
function divisorAt(ctx, rows, columns, i, j) {
  if (ctx.attributes.divisor === "cells") return under(rows, columns, i, j).length;
  return ctx.attributes.divisor === "window" ? rows.window * columns.window : 1;
}

/** x[c, s·i + u, s·j + v] @param {CellContext} ctx @param {Index[]} index @param {boolean} letters */
function windowed(ctx, [c, i, j], letters) {
  const { stride, padding } = ctx.attributes;
  const [s, t] = stride.map((/** @type {number} */ step) => (letters && step > 1 ? "s" : step));
  const x = padding.flat().some(Boolean) ? withBar(ctx.symbolOf(0)) : ctx.symbolOf(0);
  return at(x, c, plus(times(s, i), "u"), plus(times(t, j), "v"));
}

/** @param {Axis} rows @param {Axis} columns */
function isPadded(rows, columns) {
  return [...rows.padding, ...columns.padding].some(Boolean);
}
