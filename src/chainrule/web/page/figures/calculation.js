/**
 * A calculation line by line: a name, its formula, the formula with values, the result.
 *
 * @typedef {import("../types.js").Step} Step
 */

import { mathml } from "../equations/mathml.js";
import { exactNumber } from "../explain/numbers.js";
import { createElement } from "../elements.js";

const LONG = 20; // characters
const LISTED = /^(argmax|max)\(([^()]*)\)$/u;
const ADDED = /^(?:[\d.e−∞…]+|\(−[\d.e−∞]+\))(?: \+ (?:[\d.e−∞…]+|\(−[\d.e−∞]+\))){3,}$/u;

/** Splits a long list or sum of numbers into parts, so that lines can break between them. @param {string} linear */
function breakable(linear) {
  const list = LISTED.exec(linear);
  if (list) return [`${list[1]}(`, ...list[2].split(", ").map((part, at, all) => part + (at < all.length - 1 ? ", " : ")"))];
  return ADDED.test(linear) ? linear.split(" + ").map((part, at) => (at ? `+ ${part} ` : `${part} `)) : null;
}

/** Creates one side of an equation; a long one can be scrolled with the keyboard.
 * @param {string} names @param {string} linear */
function side(names, linear) {
  const parts = breakable(linear);
  if (parts) return createElement("span", { class: `${names} computation-listed` }, "= ", ...parts.map((part) => createElement("span", part)));
  const element = createElement("span", { class: names }, "= ", mathml(linear));
  if (linear.length > LONG) element.tabIndex = 0;
  return element;
}

/** @param {Step[]} steps */
export function calculation(steps) {
  const lines = steps.map(({ name, symbols, numbers, value, shown }) =>
    createElement(
      "li.computation-step",
      createElement("span.computation-step-name", mathml(name)),
      side("computation-step-symbols", symbols),
      side("computation-step-numbers", numbers),
      createElement("span.computation-step-value", "= ", createElement("b", { title: exactNumber(value) }, shown)),
    ),
  );
  return createElement("ol.computation-steps", ...lines);
}
