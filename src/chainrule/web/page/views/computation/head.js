import { parted } from "../../explain/naming.js";
import { exactNumber } from "../../explain/numbers.js";
import { button, createElement } from "../../elements.js";
import { markCell } from "./letters.js";
import { cellLink } from "./links.js";
import { pastOf } from "./history_curves.js";
import { onward, relatives } from "./relatives.js";

/**
 * The top of the panel: the path, the cell's name and value, the related cells, and the cells computed from it.
 *
 * @typedef {import("./stage/stage.js").Making} Making
 */

/** @param {Making} making @param {string[]} path @param {{back(): void, close(): void}} act */
export function pathBar(making, path, act) {
  const list = createElement("ol", { class: "computation-path-cells" });
  path.forEach((cell, at) => {
    const last = at === path.length - 1;
    const item = createElement(
      "li",
      {},
      last ? createElement("span", { class: "cell-name" }, cell) : cellLink(making, cell, cell, "cell-name"),
    );
    if (last) item.setAttribute("aria-current", "step");
    list.append(item);
  });
  const back = button("← Back", act.back, { class: "plain", "aria-label": "Back along the path" });
  back.disabled = path.length < 2;
  const close = button("×", act.close, { class: "tool computation-close", "aria-label": "close (Esc)" });
  const bar = createElement("nav", { class: "computation-path" }, back, list, copyButton(), close);
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
  const field = createElement("input", { class: "computation-address" });
  field.value = location.href;
  field.readOnly = true;
  field.setAttribute("aria-label", "the link to this value");
  requestAnimationFrame(() => field.select());
  return field;
}

/** @param {Making} making */
export function titleOf(making) {
  const { cell, title, shown, value } = making.explanation;
  const name = createElement("h2", { class: "computation-name cell-name" }, cell);
  name.tabIndex = -1;
  return createElement(
    "div",
    { class: "computation-title" },
    createElement("p", { class: "computation-what" }, title),
    name,
    createElement("output", { class: "computation-value", title: exactNumber(value) }, shown),
  );
}

/** @param {Making} making */
export function waysOf(making) {
  const { explanation, trace } = making;
  const like = relatives(trace, explanation.cell);
  const ways = onward(trace, explanation.cell).filter((way) => !like.some(({ cell }) => cell === way.cell));
  const made = createElement("div", { class: "computation-ways" });
  if (like.length > 1) made.append(likeSwitch(making, like));
  const after = like.find(({ cell }) => parted(cell).tensor.endsWith(".update"))?.cell;
  if (after && after !== explanation.cell) made.append(cellLink(making, after, "Why did this weight change?", "computation-why-link"));
  const past = pastOf(making);
  if (past) made.append(past);
  if (ways.length) made.append(onwardLinks(making, ways));
  return made;
}

/** @param {Making} making @param {import("./relatives.js").Relative[]} like */
function likeSwitch(making, like) {
  const links = like.map(({ cell, words }) => {
    const link = cellLink(making, cell, words, "computation-like");
    if (cell === making.explanation.cell) link.setAttribute("aria-current", "true");
    else markCell(link, cell, making.explanation);
    return link;
  });
  const made = createElement("nav", { class: "computation-likes" }, ...links);
  made.setAttribute("aria-label", "The same entry elsewhere in the step");
  return made;
}

/** @param {Making} making @param {import("./relatives.js").Way[]} ways */
function onwardLinks(making, ways) {
  const links = ways.map(({ cell, tensor, many }) => {
    const link = cellLink(making, cell, many === 1 ? cell : parted(cell).tensor, "computation-cell-link cell-name");
    link.title = many === 1 ? cell : `${cell}, the largest of the ${many} values of ${tensor} computed from it`;
    return createElement(
      "span",
      { class: "way" },
      link,
      ...(many === 1 ? [] : [createElement("span", { class: "computation-many" }, ` in ${many} cells`)]),
    );
  });
  const made = createElement("nav", { class: "computation-onward" }, createElement("span", { class: "computation-caption" }, "used by"), ...links);
  made.setAttribute("aria-label", "Values computed from this one");
  return made;
}
