/** How a cell of the lab came about: as in a network, but what no operation made was typed. */
import { explain } from "../../explain/index.js";

/** @type {[RegExp, string, string][]} */
const TYPED = [
  [
    /\.dy$/,
    "the upstream gradient",
    "In a network, the layer above computes it: how the loss changes with this output. In the lab it can be typed.",
  ],
  [/^x$/, "one value of the input", "In the lab it can be typed."],
  [/\.w$/, "one weight", "In the lab it can be typed; in a network it is learnt."],
  [/\.b$/, "one bias", "In the lab it can be typed; in a network it is learnt."],
];

/**
 * @param {import("../../types.js").Trace} trace
 * @param {string} cell
 * @returns {import("../../types.js").Explanation}
 */
export function explained(trace, cell) {
  const found = explain(trace, cell);
  const typed = found.operation === "" && TYPED.find(([tensor]) => tensor.test(found.tensor));
  return typed ? { ...found, title: typed[1], words: typed[2] } : found;
}
