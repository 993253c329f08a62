/**
 * Which pictures each step learns from: every epoch all of them, in an order of its own. A pure function of the step,
 * so that replaying a step finds the same ones.
 */

import { streamNumber, uniform } from "../engine/randomness.js";

const STREAM = streamNumber("page");
const LARGEST = 10; // a step of more would make the page wait

/** Pictures a step. @param {number} count @param {number} recipe  what the recipe says */
export function batchSize(count, recipe) {
  return Math.max(1, Math.min(LARGEST, recipe, count));
}

/** Steps of an epoch; the last one may have fewer pictures. @param {number} count @param {number} size */
export function epochSteps(count, size) {
  return Math.ceil(count / size);
}

/**
 * The numbers of the pictures of a step.
 *
 * @param {number} step  counted from 0 @param {number} count @param {number} size @param {number} seed
 */
export function batch(step, count, size, seed) {
  const every = epochSteps(count, size);
  const keys = uniform(seed, STREAM, Math.floor(step / every), 0, count);
  const order = Array.from(keys.keys()).sort((one, other) => (keys[one] ?? 0) - (keys[other] ?? 0));
  const place = (step % every) * size;
  return order.slice(place, place + size);
}
