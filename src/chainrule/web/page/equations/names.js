import { element } from "./elements.js";

/** Names in an equation: letters, letters with a mark above, gradients, words. */

const MARKS = /** @type {Record<string, string>} */ ({
  "\u0302": "ˆ",
  "\u0304": "¯",
  "\u0305": "¯",
  "\u0303": "˜",
  "\u0307": "˙",
});
const GREEK = /** @type {Record<string, string>} */ ({
  alpha: "α",
  beta: "β",
  gamma: "γ",
  delta: "δ",
  epsilon: "ε",
  eta: "η",
  mu: "μ",
  sigma: "σ",
  lambda: "λ",
});

/**
 * Returns a name as MathML: a letter in italics, a gradient (dw) as an upright d and an italic letter, a word upright.
 *
 * @param {string} text in NFD
 * @returns {MathMLElement}
 */
export function name(text) {
  const gradient = /^d(?<rest>(?:\p{L}\p{M}*)|alpha|beta|gamma)$/u.exec(text);
  if (gradient?.groups) return element("mrow", [element("mtext", ["d"]), name(gradient.groups.rest)]); // Firefox spaces <mi> out
  if (GREEK[text]) return element("mi", [GREEK[text]]);
  const marked = /^(?<letter>\p{L})(?<mark>\p{M})$/u.exec(text);
  if (marked?.groups) return accented(marked.groups.letter, marked.groups.mark);
  const numbered = /^(?<letter>\p{L}\p{M}?)(?<digits>\d+)$/u.exec(text);
  if (numbered?.groups) return element("msub", [name(numbered.groups.letter), element("mn", [numbered.groups.digits])]);
  return /^\p{L}$/u.test(text) ? element("mi", [text]) : upright(text.normalize("NFC"));
}

/** @param {string} letter @param {string} mark a combining one */
function accented(letter, mark) {
  const above = MARKS[mark];
  if (!above) return upright((letter + mark).normalize("NFC"));
  const accent = element("mo", [above]);
  accent.setAttribute("stretchy", "false");
  const node = element("mover", [element("mi", [letter]), accent]);
  node.setAttribute("accent", "true");
  return node;
}

/** @param {string} text */
function upright(text) {
  const node = element("mi", [text]);
  node.setAttribute("mathvariant", "normal");
  return node;
}
