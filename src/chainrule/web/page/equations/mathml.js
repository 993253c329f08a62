import { name } from "./names.js";
import { parse } from "./parser.js";
import { element, number, sign } from "./elements.js";

/**
 * An equation in linear notation as MathML. What cannot be read is shown as it is written.
 *
 * Numbers inside indices carry the class "put": where a cell's own indices have been put in, a style can tint them.
 *
 * @typedef {import("./parser.js").Node} Node
 * @param {string} linear
 * @returns {MathMLElement}
 */
export function mathml(linear) {
  const math = element("math", []);
  math.setAttribute("displaystyle", "true");
  try {
    math.append(drawn(parse(linear), false));
  } catch (problem) {
    if (!(problem instanceof SyntaxError)) throw problem;
    const text = element("mtext", [linear]);
    math.classList.add("plain");
    math.append(text);
  }
  return math;
}

/** @param {Node} node @param {boolean} small in an index @returns {MathMLElement} */
function drawn(node, small) {
  switch (node.kind) {
    case "number": return number(node.text, small);
    case "name": return name(node.text);
    case "mark": return sign(node.text, node.form, small);
    case "space": return spacing(node.words);
    case "row": return element("mrow", node.parts.map((part) => drawn(part, small)));
    case "list": return listed(node.items, small);
    case "group": return grouped(node, small);
    case "fraction": return element("mfrac", [drawn(node.over, small), drawn(node.under, small)]);
    case "root": return element("msqrt", [drawn(node.inner, small)]);
    case "raised": return raised(node.base, node.above, small);
    case "lowered": return element("msub", [drawn(node.base, small), drawn(node.below, true)]);
    case "index": return indexed(node.base, node.index, small);
    case "big": return big(node.text, node.below);
  }
}

/** @param {boolean} words */
function spacing(words) {
  const space = element("mspace", []);
  space.setAttribute("width", words ? "0.33em" : "0.17em");
  return space;
}

/** @param {Node[]} items @param {boolean} small */
function listed(items, small) {
  const parts = items.flatMap((item, at) => (at ? [sign(",", undefined, small), drawn(item, small)] : [drawn(item, small)]));
  return element("mrow", parts);
}

/** @param {{open: string, close: string, inner: Node}} group @param {boolean} small */
function grouped({ open, close, inner }, small) {
  const fences = [sign(open, "prefix", small), sign(close, "postfix", small)];
  return element("mrow", [fences[0], drawn(inner, small), fences[1]]);
}

/** @param {Node} base @param {Node} above @param {boolean} small */
function raised(base, above, small) {
  const power = drawn(above, true);
  if (base.kind === "lowered") {
    return element("msubsup", [drawn(base.base, small), drawn(base.below, true), power]);
  }
  if (base.kind === "index") {
    return element("msubsup", [drawn(base.base, small), drawn(base.index, true), power]);
  }
  return element("msup", [drawn(base, small), power]);
}

/** @param {Node} base @param {Node} index @param {boolean} small */
function indexed(base, index, small) {
  if (base.kind === "raised") {
    return element("msubsup", [drawn(base.base, small), drawn(index, true), drawn(base.above, true)]);
  }
  if (base.kind === "lowered") {
    return element("msub", [drawn(base.base, small), listed([base.below, index], true)]);
  }
  return element("msub", [drawn(base, small), drawn(index, true)]);
}

/** @param {string} text @param {Node | null} below */
function big(text, below) {
  const symbol = /^[a-z]/u.test(text) ? name(text) : sign(text === "Σ" ? "∑" : text === "Π" ? "∏" : text, "big", false);
  return below ? element("munder", [symbol, drawn(below, true)]) : symbol;
}
