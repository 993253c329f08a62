/**
 * The images of each batch. Every epoch visits all images in a new order. The images depend only on the seed and the
 * step, so that a replayed step uses the same images.
 */

import { streamNumber, uniform } from "../engine/randomness.js";

const STREAM = streamNumber("page");
const MAX_BATCH = 10; // images; larger batches would block the page for too long

/** Returns the batch size. @param {number} count @param {number} recipe  batch size of the recipe */
export function batchSize(count, recipe) {
  return Math.max(1, Math.min(MAX_BATCH, recipe, count));
}

/** Returns the number of steps in an epoch. @param {number} count @param {number} size */
export function epochSteps(count, size) {
  return Math.ceil(count / size);
}

/**
 * Returns the indices of the images in a step's batch. A batch of all images keeps their order.
 *
 * @param {number} step  counted from 0 @param {number} count @param {number} size @param {number} seed
 */
export function batch(step, count, size, seed) {
  if (size >= count) return Array.from({ length: count }, (_, n) => n);
  const perEpoch = epochSteps(count, size);
  const keys = uniform(seed, STREAM, Math.floor(step / perEpoch), 0, count);
  const order = Array.from(keys.keys()).sort((a, b) => (keys[a] ?? 0) - (keys[b] ?? 0));
  const start = (step % perEpoch) * size;
  return order.slice(start, start + size);
}
