/** Placeholder until the explanations are here. */

/** @typedef {import("../types.js").Trace} Trace */
/** @typedef {import("../types.js").Box} Box */

/** @param {Trace} trace @param {string} cell @returns {Box[]} */
export function cameFrom(trace, cell) {
  void trace, cell;
  return [];
}

/** @param {Trace} trace @param {string} cell @param {import("../types.js").Phase} phase @returns {Box[]} */
export function goesTo(trace, cell, phase) {
  void trace, cell, phase;
  return [];
}
