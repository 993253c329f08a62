/**
 * Local response normalization, explained. Equations: engine/response_normalization.js.
 *
 * @typedef {import("../types.js").Step} Step
 * @typedef {import("./cell_context.js").CellContext} CellContext
 * @typedef {import("./derivation.js").Derivation} Derivation
 */

import { at } from "./notation.js";

const NAMES = ["c", "i", "j"];

/** y = x · s^(−β) @param {CellContext} ctx @returns {Derivation} */
export function local_response_norm(ctx) {
  const [c] = ctx.own;
  const x = ctx.factor(0, ctx.own);
  const { s, operands } = scale(ctx, 0, c);
  const steps = [
    ctx.calculation("s", "k + α / size · Σ x^{2}", "{} + {}·{}", operands, s),
    ctx.calculation(ctx.result, "x·s^{−β}", "{}·{}^{{}}", [x.value, s, -ctx.attributes.beta], ctx.value),
  ];
  const [symbols, here] = [NAMES, ctx.own].map(
    (/** @type {(string | number)[]} */ index) => `${at(ctx.result, ...index)} = ${at("x", ...index)} · s^{−β}`,
  );
  const sources = [x.cell ?? "", ...windowOf(ctx, c).map((place) => ctx.cell(0, place))];
  return { words: words(ctx), symbols, here, steps, sources };
}

/** dx = dy · s^(−β) − 2αβ/size · x · Σ dy · x · s^(−β − 1) @param {CellContext} ctx @returns {Derivation} */
export function local_response_norm_dx(ctx) {
  const [c] = ctx.own;
  const { alpha, beta, size } = ctx.attributes;
  const [dy, x] = [ctx.factor(0, ctx.own), ctx.factor(1, ctx.own)];
  const { s, operands } = scale(ctx, 1, c);
  const parts = windowOf(ctx, c).map(
    (place) => ctx.number(0, place) * ctx.number(1, place) * scale(ctx, 1, place[0]).s ** (-beta - 1),
  );
  const total = parts.reduce((sum, part) => sum + part, 0);
  const share = (2 * alpha * beta) / size;
  const direct = dy.value * s ** -beta;
  const steps = [
    ctx.calculation("s", "k + α / size · Σ x^{2}", "{} + {}·{}", operands, s),
    ctx.calculation("A", "dy·s^{−β}", "{}·{}^{{}}", [dy.value, s, -beta], direct),
    ctx.listed("D", "Σ dy·x·s^{−β − 1}", parts, " + ", total),
    ctx.calculation(ctx.result, "A − 2·α·β / size · x·D", "{} − {}·{}·{}", [direct, share, x.value, total], ctx.value),
  ];
  const [symbols, here] = [NAMES, ctx.own].map((/** @type {(string | number)[]} */ index) => {
    const rest = `2·α·β / size · ${at("x", ...index)} · D`;
    return `${at(ctx.result, ...index)} = ${at("dy", ...index)} · s^{−β} − ${rest}`;
  });
  const above = windowOf(ctx, c).map((place) => ctx.cell(0, place));
  const read = windowOf(ctx, c, 2).map((place) => ctx.cell(1, place));
  return { words: words(ctx), symbols, here, steps, sources: [dy.cell ?? "", x.cell ?? "", ...above, ...read] };
}

/**
 * Returns the indices at this position in the window of a channel, with the window widened `times` times.
 *
 * @param {CellContext} ctx @param {number} c @param {number} [times]
 */
function windowOf(ctx, c, times = 1) {
  const half = times * Math.floor(ctx.attributes.size / 2);
  const [first, last] = [Math.max(0, c - half), Math.min(ctx.array(0).shape[0] - 1, c + half)];
  return Array.from({ length: last - first + 1 }, (_, m) => [first + m, ...ctx.own.slice(1)]);
}

/**
 * Returns s for a channel at this position, and its operands k, α / size and Σ x².
 *
 * @param {CellContext} ctx @param {number} read @param {number} c
 */
function scale(ctx, read, c) {
  const { k, alpha, size } = ctx.attributes;
  const squares = windowOf(ctx, c).reduce((sum, place) => sum + ctx.number(read, place) ** 2, 0);
  const share = alpha / size;
  return { s: k + share * squares, operands: [k, share, squares] };
}

/** @param {CellContext} ctx */
function words(ctx) {
  const channels = windowOf(ctx, ctx.own[0]).map(([m]) => m);
  return ctx.sentences({ count: channels.length, first: channels[0], last: channels[channels.length - 1] });
}
