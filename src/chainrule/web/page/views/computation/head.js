import { parted } from "../../explain/naming.js";
import { exactNumber } from "../../explain/numbers.js";
import { button, createElement } from "../../elements.js";
import { markCell } from "./letters.js";
import { cellLink } from "./links.js";
import { onward, relatives } from "./relatives.js";

/**
 * The top of the panel: the path, the cell's name and value, related cells, and the cells computed from it.
 *
 * @typedef {import("./panel.js").PanelContext} PanelContext
 */

/** @param {PanelContext} context @param {string[]} path @param {{back(): void, close(): void}} actions */
export function pathBar(context, path, actions) {
  const list = createElement("ol.computation-path-cells");
  path.forEach((cell, at) => {
    const last = at === path.length - 1;
    const item = createElement(
      "li",
      {},
      last ? createElement("span.cell-name", cell) : cellLink(context, cell, cell, "cell-name"),
    );
    if (last) item.setAttribute("aria-current", "step");
    list.append(item);
  });
  const back = button("← Back", actions.back, { class: "plain", "aria-label": "Back along the path" });
  back.disabled = path.length < 2;
  const close = button("×", actions.close, { class: "tool computation-close", "aria-label": "close (Esc)" });
  const bar = createElement("nav.computation-path", back, list, copyButton(), close);
  bar.setAttribute("aria-label", "Path of cells");
  return bar;
}

function copyButton() {
  const copy = button(
    "Copy link",
    async () => {
      try {
        await navigator.clipboard.writeText(location.href);
        copy.textContent = "Copied";
      } catch {
        copy.replaceWith(addressField());
      }
      setTimeout(() => (copy.textContent = "Copy link"), 2000);
    },
    { class: "plain", "aria-label": "Copy link to this value" },
  );
  return copy;
}

/** Returns a field with the address selected, for use without clipboard access. */
function addressField() {
  const field = createElement("input.computation-address");
  field.value = location.href;
  field.readOnly = true;
  field.setAttribute("aria-label", "the link to this value");
  requestAnimationFrame(() => field.select());
  return field;
}

/** @param {PanelContext} context */
export function titleOf(context) {
  const { cell, title, shown, value } = context.explanation;
  const name = createElement("h2.computation-name.cell-name", cell);
  name.tabIndex = -1;
  return createElement(
    "div.computation-title",
    createElement("p.computation-what", title),
    name,
    createElement("output.computation-value", { title: exactNumber(value) }, shown),
  );
}

/** @param {PanelContext} context */
export function linksOf(context) {
  const { explanation, trace } = context;
  const related = relatives(trace, explanation.cell);
  const ways = onward(trace, explanation.cell).filter((way) => !related.some(({ cell }) => cell === way.cell));
  const element = createElement("div.computation-ways");
  if (related.length > 1) element.append(relatedLinks(context, related));
  const after = related.find(({ cell }) => parted(cell).tensor.endsWith(".update"))?.cell;
  if (after) element.append(createElement("a.computation-why-link", { href: context.question(after.replace(".update", "")) }, "Why did this weight change?"));
  if (ways.length) element.append(onwardLinks(context, ways));
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

/** @param {PanelContext} context @param {import("./relatives.js").Way[]} ways */
function onwardLinks(context, ways) {
  const links = ways.map(({ cell, tensor, many }) => {
    const link = cellLink(context, cell, many === 1 ? cell : parted(cell).tensor, "computation-cell-link cell-name");
    link.title = many === 1 ? cell : `${cell}, the largest of the ${many} values of ${tensor} computed from it`;
    return createElement(
      "span.way",
      link,
      ...(many === 1 ? [] : [createElement("span.computation-many", ` in ${many} cells`)]),
    );
  });
  const element = createElement("nav.computation-onward", createElement("span.computation-caption", "used by"), ...links);
  element.setAttribute("aria-label", "Values computed from this one");
  return element;
}
