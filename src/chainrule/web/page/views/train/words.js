/**
 * Formatting of the training state.
 *
 * @import {TrainingState} from "../../types.js"
 */

import { formatNumber } from "../../explain/numbers.js";
import { percent as exact, whole } from "../../numbers_brief.js";

/** @param {number} share */
export function percent(share) {
  return Number.isFinite(share) ? exact(share).replace(".0 ", " ") : "–";
}

/** Returns the name of a metric in words. @param {string} measure */
export function measureWords(measure) {
  return measure.replaceAll("_", " ");
}

/** Returns whether a metric is a fraction whose higher values are better. @param {string} measure */
export function isShare(measure) {
  return measure.endsWith("accuracy");
}

/** Formats a metric: a fraction in percent, an error as a number. @param {string} measure @param {number} value */
export function measured(measure, value) {
  return isShare(measure) ? percent(value) : brief(value);
}

/** Formats a value with three digits. @param {number} value */
export function brief(value) {
  return Number.isFinite(value) ? formatNumber(value) : "–";
}

/** Returns "epoch 1 of 2" for a step, or "" if unknown. @param {TrainingState} state @param {number} step */
export function epochWords(state, step) {
  if (!state.epochSteps) return "";
  const done = Math.max(1, Math.ceil((step - (state.origin ?? 0)) / state.epochSteps));
  const all = state.steps ? Math.ceil((state.steps - (state.origin ?? 0)) / state.epochSteps) : 0;
  return done <= all ? `epoch ${whole(done)} of ${whole(all)}` : `epoch ${whole(done)}`;
}

/** Returns "120 of 3,676", or the step alone after the last one of the run or without one. @param {TrainingState} state @param {number} step */
export function stepWords(state, step) {
  return step <= state.steps ? `${whole(step)} of ${whole(state.steps)}` : whole(step);
}
