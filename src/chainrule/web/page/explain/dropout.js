/**
 * Dropout, explained. Equation: engine/dropout.js.
 *
 * @typedef {import("./cell_context.js").CellContext} CellContext
 * @typedef {import("./details.js").Details} Details
 */

import { uniform } from "../engine/randomness.js";
import { ravel, sizeOf } from "../engine/tensor.js";
import { calculationLine } from "./formulas.js";
import { at, letters } from "./notation.js";

const TREE = ["/", "x", ["−", 1, "rate"]]; // the formula x / (1 − rate), parsed

/**
 * y = x / (1 − rate) where u ≥ rate, else 0. The gradient applies the same operation to dy.
 *
 * @param {CellContext} ctx @returns {Details}
 */
export function dropout(ctx) {
  const { rate, seed, stream, step, first } = ctx.attributes;
  const element = ravel(ctx.own, ctx.shape);
  const u = uniform(seed, stream, step, first, sizeOf(ctx.shape))[element];
  const [x, kept] = [ctx.factor(0, ctx.own), u >= rate];
  const steps = [
    {
      name: "u",
      symbols: "uniform(seed, layer, step, sample, element)",
      numbers: `uniform(${[seed, ctx.layer, step, first, element].join(", ")})`,
      value: u,
      shown: ctx.text(u, rate),
    },
    kept
      ? calculationLine(ctx, ctx.result, `${x.name} / (1 − rate)`, "{} / (1 − {})", TREE, [x.value, rate])
      : { name: ctx.result, symbols: "0", numbers: "0", value: ctx.value, shown: ctx.text(ctx.value) },
  ];
  const names = letters(ctx.own.length);
  const symbols = `${at(ctx.result, ...names)} = ${at(x.name, ...names)} / (1 − rate) if u ≥ rate, else 0`;
  const here = `${at(ctx.result, ...ctx.own)} = ${kept ? `${at(x.name, ...ctx.own)} / (1 − ${ctx.operand(rate)})` : "0"}`;
  const words = ctx.sentences({ kept, u: ctx.text(u, rate), rate: ctx.text(rate, u) });
  return { words, symbols, here, steps, sources: [x.cell ?? ""] };
}
