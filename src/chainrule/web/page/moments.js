/** Not every step is kept with the optimizer's moments; without them nobody can say what the next step changes. */

import { knowsUpdate } from "./engine/trace.js";

/** @typedef {import("./types.js").Trace} Trace */

/** Whether a trace knows what its step changes. @param {Trace} trace */
export function hasUpdate(trace) {
  return knowsUpdate(trace.description, trace.frame);
}

/** Why there is no update to show. @param {Trace} trace */
export function lackingWords(trace) {
  const step = trace.frame.step.toLocaleString("en");
  return `The optimizer's moments were not kept at step ${step}, so what the next step changes cannot be shown.`;
}

/** Whether a cell would be there if the moments were. @param {Trace} trace @param {string} cell */
export function lacks(trace, cell) {
  if (hasUpdate(trace)) return false;
  const part = cell.replace(/\[.*$/, "").split(".").at(-1) ?? "";
  return part === "update" || trace.description.optimizer.moments.includes(part);
}
