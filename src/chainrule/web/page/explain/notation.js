/**
 * Equations in linear notation: indices, sums of indices, and tensors with indices in brackets.
 *
 * An index is a letter or a whole number; a factor is 1, a letter or a number. Trivial parts are omitted: 1·i is
 * written as i, and u + 0 as u. The Python version: chainrule/explain/notation.py.
 *
 * @typedef {import("../types.js").ParsedIndex} ParsedIndex
 * @typedef {string | number} Index
 */

const OPERATORS = ["+", "−", "·"];
const LETTERS = [[], ["k"], ["c", "j"], ["c", "i", "j"], ["o", "c", "u", "v"]];

/**
 * Returns s·i, or the product of two numbers. A sum is enclosed in parentheses.
 *
 * @param {Index} factor @param {Index} index @returns {Index}
 */
export function times(factor, index) {
  if (typeof factor === "number" && typeof index === "number") return factor * index;
  if (factor === 1 || index === 0) return index;
  return isExpression(index) ? `${factor}·(${index})` : `${factor}·${index}`;
}

/**
 * Returns i+u, or the sum of two numbers. Spaces are added if an operand is a product: s·i + u.
 *
 * @param {Index} first @param {Index} second @returns {Index}
 */
export function plus(first, second) {
  if (typeof first === "number" && typeof second === "number") return first + second;
  if (first === 0 || second === 0) return first === 0 ? second : first;
  if (typeof first === "number" && first < 0) return minus(second, -first);
  if (typeof second === "number" && second < 0) return minus(first, -second);
  if (String(second).startsWith("−")) return minus(first, String(second).slice(1));
  return isProduct(first, second) ? `${first} + ${second}` : `${first}+${second}`;
}

/**
 * Returns h−u, or the difference of two numbers. Spaces are added if an operand is a product.
 *
 * @param {Index} first @param {Index} second @returns {Index}
 */
export function minus(first, second) {
  if (typeof first === "number" && typeof second === "number") return first - second;
  if (second === 0) return first;
  if (first === 0) return `−${second}`;
  return isProduct(first, second) ? `${first} − ${second}` : `${first}−${second}`;
}

/** Returns (h−u)/s. @param {Index} index @param {Index} divisor @returns {Index} */
export function over(index, divisor) {
  if (divisor === 1) return index;
  return isExpression(index) ? `(${index})/${divisor}` : `${index}/${divisor}`;
}

/**
 * Returns a name with indices: dw[o,c,u,v]. Spaces are added if an index is an expression: x[c, i+u, j+v].
 *
 * @param {string} name @param {Index[]} indices
 */
export function at(name, ...indices) {
  if (!indices.length) return name;
  const texts = indices.map(String);
  const expression = texts.some((text) => OPERATORS.some((sign) => text.includes(sign)));
  return `${name}[${texts.join(expression ? ", " : ",")}]`;
}

/** Returns Σ_{o,u,v} followed by a space, or "" if there are no letters. @param {string[]} letters */
export function sumOver(...letters) {
  return letters.length ? `Σ_{${letters.join(",")}} ` : "";
}

/** Returns a name with a bar, x̄, which denotes the tensor padded with zeros. @param {string} name */
export function withBar(name) {
  return `${name}\u0304`;
}

/** Returns the index letters for a tensor with this number of axes. @param {number} axes @returns {string[]} */
export function letters(axes) {
  return LETTERS[axes] ?? Array.from({ length: axes }, (_, axis) => `i${axis}`);
}

/** @param {Index} index */
function isExpression(index) {
  return OPERATORS.some((sign) => String(index).includes(sign));
}

/** @param {Index[]} parts */
function isProduct(...parts) {
  return parts.some((part) => String(part).includes("·"));
}

/** Returns the letters in a parsed index. @param {ParsedIndex} index @returns {string[]} */
export function lettersIn(index) {
  if (Array.isArray(index)) return [...lettersIn(index[1]), ...lettersIn(index[2])];
  return typeof index === "string" ? [index] : [];
}

/**
 * Returns a parsed index as a number or a text.
 *
 * @param {ParsedIndex} index @param {Record<string, Index>} values  letters, and what to write instead
 * @param {Record<string, number>} [constants]  values of letters that are omitted where they have no effect: 0 in a sum,
 *   1 in a product
 * @returns {Index}
 */
export function writeIndex(index, values, constants = {}) {
  if (!Array.isArray(index)) return typeof index === "string" ? (values[index] ?? index) : index;
  const [operator, ...operands] = index;
  const neutral = "+−".includes(operator) ? 0 : 1;
  const [first, second] = operands.map((part) => {
    return typeof part === "string" && constants[part] === neutral ? neutral : writeIndex(part, values, constants);
  });
  return OPERATIONS[operator](first, second);
}

/** @type {Record<string, (first: Index, second: Index) => Index>} */
const OPERATIONS = { "+": plus, "−": minus, "·": times, "/": over };
