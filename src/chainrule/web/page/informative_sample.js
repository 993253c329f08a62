/** Choice of an informative sample: an image that the network misclassifies, with several likely classes. */

import { answer, classOf } from "./engine/trace.js";
import { sampleOf } from "./source/samples.js";

/** @typedef {import("./types.js").Description} Description */
/** @typedef {import("./types.js").Frame} Frame */
/** @typedef {import("./types.js").Samples} Samples */

const SLICE = 12; // milliseconds of work before the page may repaint

/**
 * Returns the index of the image with the highest score: misclassified first, then by its gradient at the scores.
 * @param {Description} description @param {Frame} frame @param {Samples} samples
 */
export async function informativeSample(description, frame, samples) {
  let [best, highest, began] = [0, -Infinity, performance.now()];
  for (let i = 0; i < samples.count; i += 1) {
    if (performance.now() - began > SLICE) {
      await new Promise((resume) => setTimeout(resume));
      began = performance.now();
    }
    const probabilities = answer(description, frame, sampleOf(samples, i)).probabilities;
    const score = scoreOf(probabilities, classOf(probabilities, description), samples.labels[i]);
    if (score > highest) [best, highest] = [i, score];
  }
  return best;
}

/** @param {number[]} probabilities @param {number} predicted  class @param {number} right */
function scoreOf(probabilities, predicted, right) {
  const isWrong = probabilities.length > 1 && predicted !== right;
  const gradient = probabilities.reduce((sum, probability, k) => sum + Math.abs(probability - (k === right ? 1 : 0)), 0);
  const classes = 1 / probabilities.reduce((sum, probability) => sum + probability * probability, 0); // effective number of likely classes
  return (isWrong ? 10 : 0) + gradient + Math.min(classes, 4) / 4;
}
