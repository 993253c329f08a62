import { primal } from "../../engine/interpreter.js";
import { layered, parted } from "../../explain/naming.js";
import { mathml } from "../../equations/mathml.js";
import { createElement } from "../../elements.js";
import { markLetters } from "./letters.js";

const LONG = 24;

/**
 * Shows the equation in symbols, with the cell's indices, and in words.
 *
 * @typedef {import("../../types.js").Explanation} Explanation
 * @param {Explanation} explanation @param {import("./letters.js").Letter[]} letters @param {(cell: string | null) => void} hover
 */
export function equationOf(explanation, letters, hover) {
  const { symbols, here, words } = explanation;
  const made = createElement("div", { class: "made-equations" });
  if (symbols) made.append(line("made-equation", symbols));
  if (here && here !== symbols) made.append(line("made-equation made-here", here));
  const gradients = gradientNames(explanation);
  if (gradients.length) made.append(createElement("p", { class: "made-caption made-gradients" }, gradients.join(", ")));
  made.append(createElement("p", { class: "made-words" }, words));
  markLetters(made, letters, hover);
  return made;
}

/**
 * Says of which tensors the gradients in an equation are: dx = ∂L/∂(conv2.y), where the reader is.
 * @param {Explanation} explanation @returns {string[]}
 */
function gradientNames({ symbols, tensor, terms, sources }) {
  const result = /^d\p{L}+/u.exec(symbols)?.[0];
  if (!result || !isGradient(tensor)) return [];
  /** @type {Map<string, string>} */
  const found = new Map([[result, tensor]]);
  for (const { name, cell } of terms.flatMap(({ factors }) => factors)) {
    if (cell && /^d\p{L}+$/u.test(name)) found.set(name, parted(cell).tensor);
  }
  const [other] = sources.map((cell) => parted(cell).tensor).filter(isGradient);
  if (found.size === 1 && other && /\bdy\b/u.test(symbols)) found.set("dy", other);
  return [...found].map(([letter, name]) => `${letter} = ∂L/∂(${primal(name.replace(/_[^.]*$/u, ""))})`);
}

/** Returns whether a tensor is a gradient: conv1.dw, dx. @param {string} tensor */
function isGradient(tensor) {
  return /^d/u.test(layered(tensor).rest);
}

/** Creates a line that can be scrolled with the keyboard when it may exceed the width. @param {string} names
 * @param {string} linear */
function line(names, linear) {
  const made = createElement("div", { class: names }, mathml(linear));
  if (linear.length > LONG) made.tabIndex = 0;
  return made;
}
