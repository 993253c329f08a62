import { mathml } from "../../equations/mathml.js";
import { make } from "./dom.js";

/**
 * The equation in symbols, with this cell's indices, and in words.
 *
 * @typedef {import("../../types.js").Explanation} Explanation
 * @param {Explanation} explanation
 */
export function equationOf({ symbols, here, words }) {
  const made = make("div", "made-equations");
  if (symbols) made.append(make("div", "made-equation", mathml(symbols)));
  if (here && here !== symbols) made.append(make("div", "made-equation made-here", mathml(here)));
  made.append(make("p", "made-words", words));
  return made;
}
