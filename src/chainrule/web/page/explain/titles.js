/**
 * What a number is, in a few words.
 *
 * @typedef {import("./cells.js").Entry} Entry
 */

import { primal } from "../engine/interpreter.js";
import { prefix } from "./gathering.js";

/** @type {Record<string, string>} */
const PARTS = {
  y: "one output of {}",
  w: "one weight of {}",
  b: "one bias of {}",
  gamma: "one scale γ of {}",
  beta: "one shift β of {}",
  mean: "the mean of one channel of {}",
  variance: "the variance of one channel of {}",
  running_mean: "the running mean of one channel of {}",
  running_variance: "the running variance of one channel of {}",
  winner: "the place of one winner of {}",
  spread: "one output of {} before the bias",
  m: "the running mean of the gradient of {}",
  v: "the running mean of the squared gradient of {}",
  u: "the velocity of {}",
  velocity: "the velocity of {}",
};
/** @type {Record<string, string>} */
const WHOLE = {
  x: "one number of the input",
  t: "one number of the target",
  dx: "the gradient of one number of the input",
  "loss.y": "the loss",
  "loss.correct": "whether the answer is right",
  "loss.error": "how far the answer is from the target",
};

/**
 * A noun phrase for an entry of a tensor.
 *
 * @param {Entry} entry @param {number} moments  how many the optimizer keeps
 */
export function title(entry, moments) {
  if (WHOLE[entry.name]) return WHOLE[entry.name];
  const owner = prefix(entry.name);
  const own = entry.name.slice(owner.length + 1);
  if (entry.kind === "update") return `${part(owner)} after the step`;
  if (entry.kind === "moment") {
    const known = moments === 1 && own in PARTS ? "velocity" : own;
    return (PARTS[known] ?? `what its own optimizer keeps (${own}) of {}`).replace("{}", part(owner));
  }
  if (entry.kind === "gradient") return `the gradient of ${part(primal(entry.name))}`;
  return part(entry.name);
}

/** @param {string} name */
function part(name) {
  const layer = prefix(name);
  const own = name.slice(layer.length + 1);
  return PARTS[own] ? PARTS[own].replace("{}", layer) : `one number of ${own} of ${layer}`;
}
