/**
 * The sentences of an operation that hold, with the facts of the explained number put in.
 *
 * The same as in Python: `fill` of chainrule/operations/__init__.py, where the sentences lie.
 *
 * @typedef {string | {if?: string[], unless?: string[], text: string}} Sentence
 */

/** @param {Sentence[]} words @param {Record<string, any>} facts */
export function fill(words, facts) {
  return words
    .map((part) => (typeof part === "string" ? { text: part } : part))
    .filter((part) => (part.if ?? []).every((name) => facts[name]) && !(part.unless ?? []).some((name) => facts[name]))
    .map(({ text }) => text.replace(/\{(\w+)\}/g, (_, name) => String(facts[name])))
    .join("");
}
