import { valueOf } from "../../explain/naming.js";
import { createElement } from "../../elements.js";
import { numberLink } from "./links.js";

/** The inputs of a value that is not a sum, as links. */

const MAX_SOURCES = 48;

/** @param {import("./panel.js").PanelContext} context */
export function sourcesOf(context) {
  const { sources } = context.explanation;
  const element = createElement("div.computation-sources");
  element.hidden = !sources.length;
  if (element.hidden) return element;
  const items = sources.slice(0, MAX_SOURCES).map((cell) => {
    const value = valueOf(context.trace, cell);
    return createElement(
      "li",
      {},
      createElement("span.cell-name", cell),
      ...(value === null ? [] : [" ", numberLink(context, cell, value)]),
    );
  });
  element.append(createElement("ul", ...items));
  if (sources.length > MAX_SOURCES) element.append(createElement("p.computation-caption", `and ${sources.length - MAX_SOURCES} more`));
  return element;
}
