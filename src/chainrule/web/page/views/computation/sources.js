import { valueOf } from "../../explain/naming.js";
import { createElement } from "../../elements.js";
import { numberLink } from "./links.js";

/** The inputs of a value that is not a sum, as links. */

const MOST = 48;

/** @param {import("./stage/stage.js").Making} making */
export function sourcesOf(making) {
  const { sources } = making.explanation;
  const made = createElement("div", { class: "computation-sources" });
  made.hidden = !sources.length;
  if (made.hidden) return made;
  const items = sources.slice(0, MOST).map((cell) => {
    const value = valueOf(making.trace, cell);
    return createElement(
      "li",
      {},
      createElement("span", { class: "cell-name" }, cell),
      ...(value === null ? [] : [" ", numberLink(making, cell, value)]),
    );
  });
  made.append(createElement("ul", {}, ...items));
  if (sources.length > MOST) made.append(createElement("p", { class: "computation-caption" }, `and ${sources.length - MOST} more`));
  return made;
}
