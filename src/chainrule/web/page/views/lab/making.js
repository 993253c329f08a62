/** The cell that is explained, in the panel that the network's cells are made in. */
import { explain } from "../../explain/index.js";
import { make } from "../../figures/elements.js";

/** @typedef {import("../../types.js").Trace} Trace */

export class Making {
  /** @param {() => Trace} trace @param {(cell: string) => void} follow */
  constructor(trace, follow) {
    this.trace = trace;
    this.follow = follow;
    this.element = make("section", { class: "lab-making", "aria-label": "How the chosen number was made" });
  }

  /** @param {string} cell */
  show(cell) {
    try {
      const e = explain(this.trace(), cell);
      this.element.textContent = `${e.cell} = ${e.shown} ${e.words} ${e.here}`;
      return true;
    } catch {
      return false;
    }
  }

  clear() {
    this.element.replaceChildren();
  }
}
