import { parted } from "../../explain/naming.js";
import { exactNumber } from "../../explain/numbers.js";
import { button, createElement } from "../../elements.js";
import { markCell } from "./letters.js";
import { cellLink } from "./links.js";
import { relatives } from "./relatives.js";

/**
 * The top of the panel: the cell's name and value, and related cells.
 *
 * @typedef {import("./panel.js").PanelContext} PanelContext
 */

/** @param {PanelContext} context @param {() => void} close */
export function titleOf(context, close) {
  const { cell, title, shown, value } = context.explanation;
  const name = createElement("h2.computation-name.cell-name", cell);
  name.tabIndex = -1;
  return createElement(
    "div.computation-title",
    createElement("p.computation-what", title),
    name,
    createElement("output.computation-value", { title: exactNumber(value) }, shown),
    button("×", close, { class: "tool computation-close", "aria-label": "close (Esc)" }),
  );
}

/** @param {PanelContext} context */
export function linksOf(context) {
  const { explanation, trace } = context;
  const related = relatives(trace, explanation.cell);
  const element = createElement("div.computation-ways");
  if (related.length > 1) element.append(relatedLinks(context, related));
  const after = related.find(({ cell }) => parted(cell).tensor.endsWith(".update"))?.cell;
  if (after) element.append(createElement("a.computation-why-link", { href: context.question(after.replace(".update", "")) }, "Why did this weight change?"));
  return element;
}

/** @param {PanelContext} context @param {import("./relatives.js").Relative[]} related */
function relatedLinks(context, related) {
  const links = related.map(({ cell, words }) => {
    const link = cellLink(context, cell, words, "computation-like");
    if (cell === context.explanation.cell) link.setAttribute("aria-current", "true");
    else markCell(link, cell, context.explanation);
    return link;
  });
  const element = createElement("nav.computation-likes", ...links);
  element.setAttribute("aria-label", "The same entry elsewhere in the step");
  return element;
}
