/**
 * The sentences of an operation whose conditions hold, with facts of the explained cell inserted.
 *
 * Python has the same: chainrule/operations/definitions.py.
 *
 * @typedef {string | {if?: string[], unless?: string[], text: string}} Sentence
 */

/**
 * Whether all `if` facts of a sentence or a step are true, and all its `unless` facts false.
 *
 * @param {{if?: string[], unless?: string[]}} part @param {Record<string, any>} facts
 */
export function holds(part, facts) {
  return (part.if ?? []).every((name) => facts[name]) && !(part.unless ?? []).some((name) => facts[name]);
}

/** @param {Sentence[]} words @param {Record<string, any>} facts */
export function fill(words, facts) {
  return words
    .map((part) => (typeof part === "string" ? { text: part } : part))
    .filter((part) => holds(part, facts))
    .map(({ text }) => put(text, facts))
    .join("");
}

/** A text with facts inserted. @param {string} text @param {Record<string, any>} facts */
export function put(text, facts) {
  return text.replace(/\{(\w+)\}/g, (_, name) => String(facts[name]));
}
