/**
 * Numbers that no operation of the trace makes: the input, the target, the parameters and the moments.
 *
 * @typedef {import("./made.js").Made} Made
 * @typedef {import("./cells.js").Entry} Entry
 */

/** @type {Record<string, string>} */
const WORDS = {
  input: "It comes from outside: a number of the sample, normalised as in training.",
  target: "It comes from outside: what the network should have answered.",
  parameter: "The network learnt it: this is its value before the step.",
  state: "Training gathered it from the batches before: this is its value before the step.",
  moment: "The optimizer remembers it from the steps before.",
};
const FIRST = "The optimizer remembers it from the steps before; there was none yet.";

/** What is said of it. @param {Entry} entry @param {number} step  the number of the step, from 1 @returns {Made} */
export function leaf(entry, step) {
  return { words: entry.kind === "moment" && step === 1 ? FIRST : WORDS[entry.kind] };
}
