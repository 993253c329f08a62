/**
 * The applicable sentences about an operation, with facts about the explained cell inserted.
 *
 * The Python version: chainrule/operations/definitions.py.
 *
 * @typedef {string | {if?: string[], unless?: string[], text: string}} Sentence
 */

/**
 * Returns whether a sentence or step applies: all its `if` facts are true and all its `unless` facts are false.
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

/** Returns a text with facts inserted. @param {string} text @param {Record<string, any>} facts */
export function put(text, facts) {
  return text.replace(/\{(\w+)\}/g, (_, name) => String(facts[name]));
}
