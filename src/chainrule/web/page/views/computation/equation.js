import { mathml } from "../../equations/mathml.js";
import { createElement } from "../../elements.js";
import { gradients, writeResult } from "./gradients.js";
import { markLetters } from "./letters.js";

const LONG = 24; // characters

/**
 * Shows the equation with the cell's indices, and in words.
 *
 * @typedef {import("../../types.js").Explanation} Explanation
 * @param {Explanation} explanation @param {import("./letters.js").Letter[]} letters
 */
export function equationOf(explanation, letters) {
  const { symbols, here, words } = explanation;
  const element = createElement("div.computation-equations");
  const equation = here ?? symbols;
  if (equation) element.append(line("computation-equation computation-here", equation));
  writeResult(element, explanation);
  const labels = gradients(explanation).slice(1).map(([letter, name]) => `${letter} = ∂L/∂(${name})`);
  if (labels.length) element.append(createElement("p.computation-caption.computation-gradients", labels.join(", ")));
  element.append(createElement("p.computation-words", words));
  markLetters(element, letters);
  return element;
}

/** Creates a line; a long one can be scrolled with the keyboard. @param {string} names
 * @param {string} linear */
function line(names, linear) {
  const element = createElement("div", { class: names }, mathml(linear));
  if (linear.length > LONG) element.tabIndex = 0;
  return element;
}
