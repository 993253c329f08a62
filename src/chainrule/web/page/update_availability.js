/**
 * Whether the update after a frame can be shown. This requires that the frame was stored with the optimizer's moments.
 */

import { knowsUpdate } from "./engine/trace.js";
import { whole } from "./numbers_brief.js";

/** @typedef {import("./types.js").Trace} Trace */

/** Returns whether a trace contains the update. @param {Trace} trace */
export function hasUpdate(trace) {
  return trace.batch !== null || knowsUpdate(trace.description, trace.frame);
}

export const AWAITED = "Computing the training step …";

/** Returns whether the training step is still being computed. @param {import("./types.js").App} app */
export function awaitsStep({ place, trace, alone }) {
  return place.phase === "update" && !alone && !trace?.batch;
}

/** Returns why the update cannot be shown. @param {Trace} trace */
export function lackingWords(trace) {
  const step = whole(trace.frame.step);
  return `The optimizer’s moments were not stored at step ${step}, so the next update cannot be shown.`;
}

/** Returns whether a cell is missing because the moments were not stored. @param {Trace} trace @param {string} cell */
export function lacks(trace, cell) {
  if (hasUpdate(trace)) return false;
  const part = cell.replace(/\[.*$/, "").split(".").at(-1) ?? "";
  return part === "update" || trace.description.optimizer.moments.includes(part);
}
