import { valueOf } from "../../explain/naming.js";
import { make } from "../../elements.js";
import { numberLink } from "./links.js";

/** The inputs of a value that is not a sum, as links. */

const MOST = 48;

/** @param {import("./stage/stage.js").Making} making */
export function sourcesOf(making) {
  const { sources } = making.explanation;
  const made = make("div", { class: "made-sources" });
  if (!sources.length) return made;
  const items = sources.slice(0, MOST).map((cell) => {
    const value = valueOf(making.trace, cell);
    return make(
      "li",
      {},
      make("span", { class: "cell-name" }, cell),
      ...(value === null ? [] : [" ", numberLink(making, cell, value)]),
    );
  });
  made.append(make("h3", {}, "Computed from"), make("ul", {}, ...items));
  if (sources.length > MOST) made.append(make("p", { class: "made-caption" }, `and ${sources.length - MOST} more`));
  return made;
}
