/**
 * The leaves of MathML: numbers, signs, and how wide they stand.
 *
 * @typedef {"line" | "script" | "index"} Level  on the line; raised or lowered; in the index of a cell
 */

const NAMESPACE = "http://www.w3.org/1998/Math/MathML";

/** @param {string} tag @param {(Element | string)[]} children @returns {MathMLElement} */
export function element(tag, children) {
  const made = /** @type {MathMLElement} */ (document.createElementNS(NAMESPACE, tag));
  made.append(...children);
  return made;
}

/** @param {string} text @param {Level} level @returns {MathMLElement} */
export function number(text, level) {
  const made = element("mn", [text]);
  if (level === "index") made.classList.add("put");
  return made;
}

/**
 * @param {string} text
 * @param {string | undefined} form "prefix", "postfix", "big" or, not given, between two
 * @param {Level} level signs stand close but on the line
 * @returns {MathMLElement}
 */
export function sign(text, form, level) {
  const small = level !== "line";
  const made = element("mo", [text]);
  if (form === "big") {
    made.setAttribute("largeop", "true");
    made.setAttribute("movablelimits", "false");
    return made;
  }
  if (form) made.setAttribute("form", form);
  if (small || form === "prefix" || form === "postfix") {
    made.setAttribute("lspace", "0");
    made.setAttribute("rspace", small && text === "," ? "0.1em" : "0");
  } else if (text === "·") {
    made.setAttribute("lspace", "0.25em");
    made.setAttribute("rspace", "0.25em");
  }
  return made;
}
