/** The image of a set from which most is to be learnt: one that the network gets wrong, undecided between classes. */

import { sizeOf } from "./engine/tensor.js";
import { answer } from "./engine/trace.js";
import { sampleOf } from "./source/samples.js";

/** @typedef {import("./types.js").Description} Description */
/** @typedef {import("./types.js").Frame} Frame */
/** @typedef {import("./types.js").Samples} Samples */

const MOMENT = 12; // milliseconds of work between two frames of the screen
const PRODUCTS = 3e7; // of all images looked at
const FEWEST = 4; // images
const MOST = 60;

/**
 * Returns how many images are looked at while the page opens: fewer where an answer takes long, and always the same.
 * @param {Description} description
 */
export function searchedSamples({ inference }) {
  const products = inference.forward.reduce((sum, { reads: [, weights], writes: [result] }) => {
    if (weights?.kind !== "parameter" || weights.shape.length < 2) return sum;
    return sum + (sizeOf(weights.shape) * sizeOf(result.shape)) / weights.shape[0];
  }, 1);
  return Math.max(FEWEST, Math.min(MOST, Math.round(PRODUCTS / products)));
}

/**
 * Returns the index of the image with the largest gradient at several scores.
 * @param {Description} description @param {Frame} frame @param {Samples} samples @param {number} [most]  images
 */
export async function informativeSample(description, frame, samples, most = samples.count) {
  let [best, highest, began] = [0, -Infinity, performance.now()];
  for (let i = 0; i < Math.min(most, samples.count); i += 1) {
    if (performance.now() - began > MOMENT) {
      await new Promise((resume) => setTimeout(resume));
      began = performance.now();
    }
    const p = answer(description, frame, sampleOf(samples, i)).probabilities;
    const score = scoreOf(p, samples.labels[i]);
    if (score > highest) [best, highest] = [i, score];
  }
  return best;
}

/** @param {number[]} p @param {number} right */
function scoreOf(p, right) {
  const isWrong = p.length > 1 && p.indexOf(Math.max(...p)) !== right;
  const gradient = p.reduce((sum, each, k) => sum + Math.abs(each - (k === right ? 1 : 0)), 0);
  const classes = 1 / p.reduce((sum, each) => sum + each * each, 0); // among which it is undecided
  return (isWrong ? 10 : 0) + gradient + Math.min(classes, 4) / 4;
}
