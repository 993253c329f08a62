/**
 * Dropout, explained. Equation: engine/dropout.js.
 *
 * @typedef {import("./site.js").Site} Site
 * @typedef {import("./made.js").Made} Made
 */

import { uniform } from "../engine/randomness.js";
import { ravel, sizeOf } from "../engine/tensor.js";
import { at, letters } from "./notation.js";
import { bracketed, shown } from "./numbers.js";

/** y = x / (1 − rate) where u ≥ rate, else 0; the gradient is the same of dy @param {Site} site @returns {Made} */
export function dropout(site) {
  const { rate, seed, stream, step, first } = site.attributes;
  const element = ravel(site.own, site.shape);
  const u = uniform(seed, stream, step, first, sizeOf(site.shape))[element];
  const [x, kept] = [site.factor(0, site.own), u >= rate];
  const share = bracketed(rate);
  const steps = [
    {
      name: "u",
      symbols: "uniform(seed, layer, step, sample, element)",
      numbers: `uniform(${[seed, site.layer, step, first, element].join(", ")})`,
      value: u,
    },
    {
      name: site.result,
      symbols: kept ? `${x.name} / (1 − rate)` : "0",
      numbers: kept ? `${bracketed(x.value)} / (1 − ${share})` : "0",
      value: site.value,
    },
  ];
  const names = letters(site.own.length);
  const symbols = `${at(site.result, ...names)} = ${at(x.name, ...names)} / (1 − rate) if u ≥ rate, else 0`;
  const here = `${at(site.result, ...site.own)} = ${kept ? `${at(x.name, ...site.own)} / (1 − ${share})` : "0"}`;
  const words = site.say({ kept, u: shown(u), rate: shown(rate) });
  return { words, symbols, here, steps, sources: [x.cell ?? ""] };
}
