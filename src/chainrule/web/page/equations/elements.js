/**
 * MathML elements of numbers and operator signs, with their spacing.
 *
 * @typedef {"line" | "script" | "index"} Level  normal text; superscript or subscript; in the index of a cell
 */

const NAMESPACE = "http://www.w3.org/1998/Math/MathML";

/** @param {string} tag @param {(Element | string)[]} children @returns {MathMLElement} */
export function element(tag, children) {
  const node = /** @type {MathMLElement} */ (document.createElementNS(NAMESPACE, tag));
  node.append(...children);
  return node;
}

/** Writes 5.63e−6 as 5.63·10⁻⁶, since e is a number in equations. @param {string} text @param {Level} level @returns {MathMLElement} */
export function number(text, level) {
  const [digits, exponent] = text.split("e");
  const node = element("mn", [digits]);
  if (exponent) return element("mrow", [node, sign("·", undefined, "script"), element("msup", [element("mn", ["10"]), element("mn", [exponent])])]);
  if (level === "index") node.classList.add("put");
  return node;
}

/**
 * @param {string} text
 * @param {string | undefined} form  "prefix", "postfix", "big"; undefined for a sign between two operands
 * @param {Level} level  signs have no space around them except in normal text
 * @returns {MathMLElement}
 */
export function sign(text, form, level) {
  const small = level !== "line";
  const node = element("mo", [text]);
  if (form === "big") {
    node.setAttribute("largeop", "true");
    node.setAttribute("movablelimits", "false");
    return node;
  }
  if (form) node.setAttribute("form", form);
  if (small || form === "prefix" || form === "postfix") {
    node.setAttribute("lspace", "0");
    node.setAttribute("rspace", small && text === "," ? "0.1em" : "0");
  } else if (text === "·") {
    node.setAttribute("lspace", "0.25em");
    node.setAttribute("rspace", "0.25em");
  }
  return node;
}
