/** How a cell of the lab came about: as in a network, but what no operation made was typed. */
import { explain } from "../../explain/index.js";

/** @type {[RegExp, string, string][]} */
const TYPED = [
  [
    /\.dy$/,
    "the gradient that comes from above",
    "In a network the layers above send it: how the loss changes with this output. Here it stands in the lab, to type.",
  ],
  [/^x$/, "one number of the input", "It stands in the lab, to type."],
  [/\.w$/, "one weight", "It stands in the lab, to type. In a network it would be learnt."],
  [/\.b$/, "one bias", "It stands in the lab, to type. In a network it would be learnt."],
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
