import { createElement } from "../../elements.js";

/** What the reader has unfolded stays so from one value to the next. @type {Set<string>} */
const unfolded = new Set();

/**
 * Creates a fold. Content that takes time to compute is made when it is first opened.
 * @param {string} title @param {string} name  its class @param {() => Node[]} content
 */
export function fold(title, name, content) {
  const made = createElement("details", { class: name }, createElement("summary", {}, title));
  const kind = title.replace(/\d+/u, "");
  let empty = true;
  const update = () => {
    if (made.open && empty) made.append(...content());
    empty = empty && !made.open;
  };
  made.open = unfolded.has(kind);
  made.addEventListener("toggle", () => {
    made.open ? unfolded.add(kind) : unfolded.delete(kind);
    update();
  });
  update();
  return made;
}
