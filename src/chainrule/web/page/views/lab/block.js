/** One array of the lab: its name, size, tools and planes. */
import { createElement } from "../../elements.js";
import { sameShape, text } from "../../engine/tensor.js";
import { stack } from "./stack.js";

/**
 * @typedef {import("../../types.js").NDArray} NDArray
 * @typedef {import("./stack.js").StackOptions} StackOptions
 * @typedef {import("./stack.js").Stack} Stack
 * @typedef {import("../../style/scale.js").Scale} Scale
 * @typedef {import("../../figures/plane.js").Mark} Mark
 */

export class Block {
  /** @type {Stack | null} */
  #stack = null;
  /** @type {number[]} */
  #shape = [];
  #tensor = "";
  #editable = false;

  /**
   * @param {string} name  used as a class and by tests
   * @param {string} title
   * @param {Omit<StackOptions, "tensor" | "shape">} options  with `editing` if it can be edited
   * @param {HTMLElement[]} tools
   */
  constructor(name, title, options, tools = []) {
    this.options = options;
    this.heading = createElement("h3", {}, title);
    this.size = createElement("span", { class: "size" });
    this.note = createElement("p", { class: "lab-note" });
    this.body = createElement("div", { class: "planes" });
    const head = createElement("div", { class: "lab-block-head" }, this.heading, this.size);
    const tooled = tools.length ? [createElement("div", { class: "lab-block-tools" }, ...tools)] : [];
    this.element = createElement("section", { class: `lab-block ${name}`, "data-block": name, "aria-label": title });
    this.element.append(head, this.body, ...tooled, this.note);
  }

  /**
   * @param {string} tensor
   * @param {NDArray} array
   * @param {Scale} scale
   * @param {{title?: string, note?: string, editable?: boolean}} [about]
   */
  show(tensor, array, scale, { title, note = "", editable = true } = {}) {
    if (
      !this.#stack ||
      !sameShape(array.shape, this.#shape) ||
      tensor !== this.#tensor ||
      editable !== this.#editable
    ) {
      const held = this.body.contains(document.activeElement);
      const editing = editable ? this.options.editing : undefined;
      const shownAs = title ?? this.heading.textContent ?? tensor;
      this.#stack = stack({ ...this.options, editing, tensor, shape: array.shape, shownAs });
      [this.#shape, this.#tensor, this.#editable] = [array.shape, tensor, editable];
      this.body.replaceChildren(this.#stack.element);
      this.size.textContent = text(array.shape);
      if (held) /** @type {HTMLElement | null} */ (this.body.querySelector("input, [tabindex]"))?.focus();
    }
    this.heading.textContent = title ?? this.heading.textContent;
    this.note.textContent = note;
    this.note.hidden = note === "";
    this.#stack.show(array, scale);
  }

  /** @param {Map<string, Mark>} marks */
  mark(marks) {
    this.#stack?.mark(marks);
  }
}
