/** The linear notation as text for screen readers that do not read MathML. */

const SPOKEN = /** @type {[RegExp, string][]} */ ([
  [/Σ_\{(.*?)\}/gu, " the sum over $1 of "],
  [/Σ_(\S+)/gu, " the sum over $1 of "],
  [/(arg)?max_\{(.*?)\}/gu, " the $1max over $2 of "],
  [/·|×/gu, " times "],
  [/−/gu, " minus "],
  [/←/gu, " becomes "],
  [/√/gu, " square root of "],
  [/²/gu, " squared"],
  [/\[/gu, " at "],
  [/\]/gu, " "],
  [/\//gu, " over "],
  [/\s+/gu, " "],
]);

/** @param {string} linear @returns {string} */
export function spoken(linear) {
  return SPOKEN.reduce((text, [pattern, words]) => text.replace(pattern, words), linear).trim();
}
