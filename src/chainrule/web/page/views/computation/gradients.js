import { primal } from "../../engine/interpreter.js";
import { layered, parted } from "../../explain/naming.js";
import { writeDerivative } from "../../equations/derivative.js";

/** @typedef {import("../../types.js").Explanation} Explanation */

/**
 * Returns the letters in an equation that denote gradients, each with the tensor whose gradient it is, for example dx
 * and conv2.y. The first letter is the result of the equation.
 * @param {Explanation} explanation @returns {[string, string][]}
 */
export function gradients({ symbols, tensor, terms, sources }) {
  if (symbols === null) return [];
  const result = /^d\p{L}+/u.exec(symbols)?.[0];
  if (!result || !isGradient(tensor)) return [];
  /** @type {Map<string, string>} */
  const tensorOf = new Map([[result, tensor]]);
  for (const { name, cell } of terms.flatMap(({ factors }) => factors)) {
    if (cell && /^d\p{L}+$/u.test(name)) tensorOf.set(name, parted(cell).tensor);
  }
  const [other] = sources.map((cell) => parted(cell).tensor).filter(isGradient);
  if (tensorOf.size === 1 && other && /\bdy\b/u.test(symbols)) tensorOf.set("dy", other);
  return [...tensorOf].map(([letter, name]) => [letter, primal(name.replace(/_[^.]*$/u, ""))]);
}

/** Writes the result of an equation as ∂L/∂(conv2.y) if it is a gradient. @param {Element} equation @param {Explanation} explanation */
export function writeResult(equation, explanation) {
  const [result] = gradients(explanation);
  if (result) writeDerivative(equation, ...result);
}

/** Returns whether a tensor is a gradient: conv1.dw, dx. @param {string} tensor */
function isGradient(tensor) {
  return /^d/u.test(layered(tensor).rest);
}
