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

/** All cells that the value was computed from, without duplicates, in order of use. @param {Derivation} derivation */
export function allSources(derivation) {
  const cells = new Set(derivation.sources ?? []);
  for (const { factors } of derivation.terms ?? []) {
    for (const { cell } of factors) if (cell) cells.add(cell);
  }
  for (const { cell } of derivation.pick?.candidates ?? []) cells.add(cell);
  return [...cells].slice(0, MOST_SOURCES);
}
