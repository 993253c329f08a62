import { mathml } from "../../equations/mathml.js";
import { createElement } from "../../elements.js";

const LONG = 24;

/**
 * Shows the equation in symbols, with the cell's indices, and in words.
 *
 * @typedef {import("../../types.js").Explanation} Explanation
 * @param {Explanation} explanation
 */
export function equationOf({ symbols, here, words }) {
  const made = createElement("div", { class: "made-equations" });
  if (symbols) made.append(line("made-equation", symbols));
  if (here && here !== symbols) made.append(line("made-equation made-here", here));
  made.append(createElement("p", { class: "made-words" }, words));
  return made;
}

/** Creates a line that can be scrolled with the keyboard when it may exceed the width. @param {string} names
 * @param {string} linear */
function line(names, linear) {
  const made = createElement("div", { class: names }, mathml(linear));
  if (linear.length > LONG) made.tabIndex = 0;
  return made;
}
