import { createElement } from "../../elements.js";

/** What the reader has unfolded stays so from one value to the next. @type {Set<string>} */
const unfolded = new Set();

/**
 * Creates a fold. Content that takes time to compute is made when it is first opened.
 * @param {string} title @param {string} name  its class @param {() => Node[]} content
 */
export function fold(title, name, content) {
  const summary = createElement("summary", {}, title);
  const made = createElement("details", { class: name }, summary);
  const kind = title.replace(/\d+/u, "");
  let empty = true;
  const update = () => {
    if (made.open && empty) made.append(...content());
    empty = empty && !made.open;
  };
  const keep = (/** @type {boolean} */ open) => void (open ? unfolded.add(kind) : unfolded.delete(kind));
  made.open = unfolded.has(kind);
  summary.addEventListener("click", () => keep(!made.open)); // the panel may be drawn again before it is toggled
  made.addEventListener("toggle", () => {
    keep(made.open);
    update();
  });
  update();
  return made;
}
