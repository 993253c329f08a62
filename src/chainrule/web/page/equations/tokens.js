/**
 * Tokenizer of the linear notation of equations.
 *
 * @typedef {"number" | "name" | "big" | "raised" | "lowered" | "prime" | "open" | "close" | "mark"} TokenKind
 * @typedef {{kind: TokenKind, text: string, spaced: boolean}} Token  spaced: whether whitespace precedes it
 */

const LETTER = "[\\p{Lu}\\p{Ll}]\\p{M}*";
/** Patterns in order of precedence. A name may contain digits (conv2) and dots (conv2.dw). */
const PATTERNS = /** @type {[TokenKind, RegExp][]} */ ([
  ["number", /(?:\d+(?:\.\d+)?(?:e[+−-]?\d+)?|½|¼|∞|NaN)/uy],
  ["big", /(?:[Σ∑Π∏]|(?:argmax|max|min)(?=_))/uy],
  ["name", new RegExp(`${LETTER}(?:${LETTER}|\\d|\\.(?=[\\p{Lu}\\p{Ll}]))*`, "uy")],
  ["raised", /[\u00b2\u00b3\u00b9\u2070-\u207f\u02b0-\u02b8\u02e0-\u02e3\u1d2c-\u1d61]+/uy],
  ["lowered", /[\u2080-\u209c\u1d62-\u1d6a]+/uy],
  ["prime", /['′]+/uy],
  ["open", /[([{⌊⌈]/uy],
  ["close", /[)\]}⌋⌉]/uy],
  ["mark", /[=≈≠≤≥<>←→↦∈·×∘∗*+−±/^_√∂∇,;:…|‖%-]/uy],
]);

/**
 * @param {string} linear
 * @returns {Token[]}
 * @throws {SyntaxError} on a character that is not part of the notation
 */
export function tokens(linear) {
  const text = linear.normalize("NFD");
  /** @type {Token[]} */
  const result = [];
  let at = 0;
  let spaced = false;
  while (at < text.length) {
    if (/\s/u.test(text[at])) {
      spaced = true;
      at += 1;
      continue;
    }
    const token = tokenAt(text, at);
    result.push({ kind: token.kind, text: plain(token), spaced });
    at += token.text.length;
    spaced = false;
  }
  return result;
}

/** @param {string} text @param {number} at */
function tokenAt(text, at) {
  for (const [kind, pattern] of PATTERNS) {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match) return { kind, text: match[0] };
  }
  throw new SyntaxError(`unexpected character "${String.fromCodePoint(text.codePointAt(at) ?? 0)}" in an equation`);
}

/** @param {{kind: TokenKind, text: string}} token */
function plain({ kind, text }) {
  if (kind === "raised" || kind === "lowered") return text.normalize("NFKC").replace("-", "−");
  if (kind === "prime") return "′".repeat(text.length);
  if (kind === "mark" && text === "-") return "−";
  return text;
}
