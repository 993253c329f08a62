/**
 * The part of an explanation that depends on the operation.
 *
 * @typedef {import("../types.js").Explanation} Explanation
 * @typedef {{
 *   words: string, symbols?: string, here?: string, terms?: Explanation["terms"], scale?: Explanation["scale"],
 *   pick?: Explanation["pick"], curve?: Explanation["curve"], steps?: Explanation["steps"], rounding?: number,
 *   jacobian?: Explanation["jacobian"], sources?: string[],
 * }} Details  sources: further cells that the value depends on, not listed as terms or candidates
 */

const MOST_SOURCES = 4096;

/** All cells that the value was computed from, without duplicates, in order of use. @param {Details} details */
export function allSources(details) {
  const cells = new Set(details.sources ?? []);
  for (const { factors } of details.terms ?? []) {
    for (const { cell } of factors) if (cell) cells.add(cell);
  }
  for (const { cell } of details.pick?.candidates ?? []) cells.add(cell);
  return [...cells].slice(0, MOST_SOURCES);
}
