/** Explanation of a cell of the lab, as in a network, except for the inputs, which are typed. */
import { explain } from "../../explain/index.js";

/** @type {[RegExp, string, string][]} */
const TYPED = [
  [
    /\.dy$/,
    "the upstream gradient",
    "In a network it comes from the next layer: how the loss changes with this output. In the lab it is typed in.",
  ],
  [/^x$/, "one input value", "In the lab it is typed in."],
  [/\.w$/, "one weight", "In the lab it is typed in. In a network it would be learnt."],
  [/\.b$/, "one bias", "In the lab it is typed in. In a network it would be learnt."],
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
