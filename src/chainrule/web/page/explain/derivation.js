/**
 * The part of an explanation that depends on the operation.
 *
 * @typedef {import("../types.js").Explanation} Explanation
 * @typedef {{
 *   words: string, symbols?: string, here?: string, terms?: Explanation["terms"], scale?: Explanation["scale"],
 *   pick?: Explanation["pick"], curve?: Explanation["curve"], steps?: Explanation["steps"], rounding?: number,
 *   jacobian?: Explanation["jacobian"], sources?: string[],
 * }} Derivation  sources: further cells that the value depends on, not listed as terms or candidates
 */

const MOST_SOURCES = 4096;

/**
 * Returns all cells from which the value was computed, in order of first use and without duplicates.
 *
 * @param {Derivation} made
 */
export function allSources(made) {
  const found = new Set(made.sources ?? []);
  for (const { factors } of made.terms ?? []) {
    for (const { cell } of factors) if (cell) found.add(cell);
  }
  for (const { cell } of made.pick?.candidates ?? []) found.add(cell);
  return [...found].slice(0, MOST_SOURCES);
}
