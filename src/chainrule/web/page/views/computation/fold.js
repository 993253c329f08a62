import { createElement } from "../../elements.js";

/** What the reader has unfolded, or folded, stays so from one value to the next. @type {Map<string, boolean>} */
const choices = new Map();

/**
 * Creates a fold. Content that takes time to compute is made when it is first opened.
 * @param {string} title @param {string} name  its class @param {() => Node[]} content
 * @param {boolean} [open]  whether it is open as long as the reader has not chosen
 */
export function fold(title, name, content, open = false) {
  const summary = createElement("summary", {}, title);
  const details = createElement("details", { class: name }, summary);
  const kind = title.replace(/\d+/u, "");
  let empty = true;
  const update = () => {
    if (details.open && empty) details.append(...content());
    empty = empty && !details.open;
  };
  details.open = choices.get(kind) ?? open;
  const keep = (/** @type {boolean} */ unfolded) => choices.set(kind, unfolded);
  summary.addEventListener("click", () => keep(!details.open)); // the panel may be drawn again before it is toggled
  details.addEventListener("toggle", () => {
    keep(details.open);
    update();
  });
  update();
  return details;
}
