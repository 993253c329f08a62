import { createElement } from "../../elements.js";

/** Whether the reader opened a section, by title; kept when another value is explained. @type {Map<string, boolean>} */
const choices = new Map();

/**
 * Creates a collapsible section. Its content is created when it is first opened.
 * @param {string} title @param {string} name  CSS class @param {() => Node[]} content
 * @param {boolean} [open]  whether it is open by default
 */
export function fold(title, name, content, open = false) {
  const summary = createElement("summary", title);
  const details = createElement("details", { class: name }, summary);
  const kind = title.replace(/\d+/u, "");
  let empty = true;
  const update = () => {
    if (details.open && empty) details.append(...content());
    empty = empty && !details.open;
  };
  details.open = choices.get(kind) ?? open;
  const keep = (/** @type {boolean} */ unfolded) => choices.set(kind, unfolded);
  summary.addEventListener("click", () => keep(!details.open)); // before "toggle", since the panel may be redrawn first
  details.addEventListener("toggle", () => {
    keep(details.open);
    update();
  });
  update();
  return details;
}
