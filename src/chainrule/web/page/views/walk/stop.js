/**
 * A stop of the walk: a few sentences, figures, a question, and its answer from the trace.
 *
 * @typedef {import("../../types.js").Trace} Trace
 * @typedef {import("../../types.js").Phase} Phase
 * @typedef {import("../../style/scale.js").Scale} Scale
 * @typedef {import("../../figures/plane.js").Mark} Mark
 * @typedef {{
 *   title: string, rows: number, columns: number, values: ArrayLike<number>, scale: Scale,
 *   heads?: string[], name: (row: number, column: number) => string, marks?: Map<number, Mark>,
 * }} Figure  heads: labels above the columns
 * @typedef {{text: string, right: boolean}} Choice
 * @typedef {{
 *   id: string, title: string, words: string[], figures: (Figure | string)[],
 *   question: string, choices: Choice[], number: number | null,
 *   reveal: string[], cell: string, phase: Phase,
 * }} Stop  number: the answer if the question asks for a number (choices is then empty), else null. Strings in
 *   `figures` are shown between the figures
 */

/**
 * Returns the right answer among wrong answers with different texts, in an order that depends only on the texts.
 * Returns null if no wrong answer differs from the right one.
 * @param {string} id
 * @param {string} right
 * @param {string[]} wrong  the most instructive first; at most two are used
 * @returns {Choice[] | null}
 */
export function choices(id, right, wrong) {
  const others = [...new Set(wrong)].filter((text) => text !== right).slice(0, 2);
  if (others.length === 0) return null;
  const all = [{ text: right, right: true }, ...others.map((text) => ({ text, right: false }))];
  return all.sort((one, other) => order(id + one.text) - order(id + other.text));
}

/** Hashes a text with FNV-1a and a final mix that separates similar texts. @param {string} text */
function order(text) {
  let hash = 0x811c9dc5;
  for (let k = 0; k < text.length; k++) hash = Math.imul(hash ^ text.charCodeAt(k), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) >>> 0;
}
