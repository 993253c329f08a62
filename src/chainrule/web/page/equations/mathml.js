import { name } from "./names.js";
import { parse } from "./parser.js";
import { element, number, sign } from "./elements.js";

/**
 * Converts an equation from linear notation to MathML. Invalid notation is shown as plain text.
 *
 * Numbers in indices have the class "put", so that a style can tint the indices of the explained cell.
 *
 * @typedef {import("./parser.js").Node} Node
 * @typedef {import("./elements.js").Level} Level
 * @param {string} linear
 * @returns {MathMLElement}
 */
export function mathml(linear) {
  const math = element("math", []);
  math.setAttribute("displaystyle", "true");
  try {
    math.append(drawn(parse(linear), "line"));
  } catch (problem) {
    if (!(problem instanceof SyntaxError)) throw problem;
    const text = element("mtext", [linear]);
    math.classList.add("plain");
    math.append(text);
  }
  return math;
}

/** @param {Node} node @param {Level} level @returns {MathMLElement} */
function drawn(node, level) {
  switch (node.kind) {
    case "number":
      return number(node.text, level);
    case "name":
      return called(name(node.text), node.text, level);
    case "mark":
      return sign(node.text, node.form, level);
    case "space":
      return spacing(node.words);
    case "row":
      return element(
        "mrow",
        node.parts.map((part) => drawn(part, level)),
      );
    case "list":
      return listed(node.items, level);
    case "group":
      return grouped(node, level);
    case "fraction":
      return element("mfrac", [drawn(node.over, level), drawn(node.under, level)]);
    case "root":
      return element("msqrt", [drawn(node.inner, level)]);
    case "raised":
      return raised(node.base, node.above, level);
    case "lowered":
      return element("msub", [drawn(node.base, level), drawn(node.below, script(level))]);
    case "index":
      return indexed(node.base, node.index, level);
    case "big":
      return big(node.text, node.below);
  }
}

/** Sets data-name to the name of a tensor, without diacritics. Index letters get no name. @param {MathMLElement} node @param {string} text @param {Level} level */
function called(node, text, level) {
  if (level === "line") node.setAttribute("data-name", text.normalize("NFD").replace(/\p{M}/gu, ""));
  return node;
}

/** @param {boolean} words */
function spacing(words) {
  const space = element("mspace", []);
  space.setAttribute("width", words ? "0.33em" : "0.17em");
  return space;
}

/** @param {Node[]} items @param {Level} level */
function listed(items, level) {
  const parts = items.flatMap((item, at) =>
    at ? [sign(",", undefined, level), drawn(item, level)] : [drawn(item, level)],
  );
  return element("mrow", parts);
}

/** @param {{open: string, close: string, inner: Node}} group @param {Level} level */
function grouped({ open, close, inner }, level) {
  const fences = [sign(open, "prefix", level), sign(close, "postfix", level)];
  return element("mrow", [fences[0], drawn(inner, level), fences[1]]);
}

/** @param {Node} base @param {Node} above @param {Level} level */
function raised(base, above, level) {
  const power = drawn(above, script(level));
  if (base.kind === "lowered") {
    return element("msubsup", [drawn(base.base, level), drawn(base.below, script(level)), power]);
  }
  if (base.kind === "index") {
    return element("msubsup", [drawn(base.base, level), drawn(base.index, "index"), power]);
  }
  return element("msup", [drawn(base, level), power]);
}

/** @param {Node} base @param {Node} index @param {Level} level */
function indexed(base, index, level) {
  if (base.kind === "raised") {
    return element("msubsup", [drawn(base.base, level), drawn(index, "index"), drawn(base.above, script(level))]);
  }
  if (base.kind === "lowered") {
    return element("msub", [drawn(base.base, level), listed([base.below, index], "index")]);
  }
  return element("msub", [drawn(base, level), drawn(index, "index")]);
}

/** @param {string} text @param {Node | null} below */
function big(text, below) {
  const symbol = /^[a-z]/u.test(text)
    ? name(text)
    : sign(text === "Σ" ? "∑" : text === "Π" ? "∏" : text, "big", "line");
  return below ? element("munder", [symbol, drawn(below, "index")]) : symbol;
}

/** Returns the level of a superscript or subscript; everything in an index keeps its level. @param {Level} level @returns {Level} */
function script(level) {
  return level === "index" ? "index" : "script";
}
