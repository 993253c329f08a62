/** The panel that shows how the selected cell of the lab is computed. */
import { createElement } from "../../elements.js";
import { keysOf } from "../computation/keys.js";
import { Panel } from "../computation/panel.js";
import { extendedPath } from "../../cell_path.js";
import { explained } from "./explained.js";

/**
 * @typedef {import("../../types.js").Trace} Trace
 * @typedef {{
 *   active(): boolean, pick(cell: string | null): void, hover(cell: string | null): void, href(cell: string): string,
 * }} Acts
 */

export class Making {
  /** @type {Panel | null} */
  #panel = null;
  /** @type {string[]} */
  #path = [];
  #followed = false;

  /** @param {Acts} acts */
  constructor(acts) {
    this.acts = acts;
    this.element = createElement("section", { class: "lab-making", "aria-label": "How the selected value is computed" });
    this.live = createElement("p", { class: "unseen", role: "status" });
    keysOf(
      this.element,
      acts.active,
      () => this.#panel,
      () => acts.pick(null),
    );
  }

  /** Shows a cell; returns whether it exists. @param {Trace} trace @param {string} cell */
  show(trace, cell) {
    if (this.#panel?.cell === cell && this.#panel.trace === trace) return true;
    let explanation;
    try {
      explanation = explained(trace, cell);
    } catch {
      this.clear();
      return false;
    }
    const moved = this.#panel?.cell !== cell;
    const position = this.#panel?.cell === cell ? this.#panel.player.position : null;
    this.#path = extendedPath(this.#path, explanation.cell, this.#followed);
    this.#panel?.end();
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const { hover, href } = this.acts;
    const making = { explanation, trace, still, hover, href, follow: (/** @type {string} */ to) => this.#follow(to) };
    const act = { back: () => this.#follow(this.#path[this.#path.length - 2]), close: () => this.acts.pick(null) };
    this.#panel = new Panel(making, this.#path, act, (text) => void (this.live.textContent = text));
    this.element.replaceChildren(this.#panel.element, this.live);
    this.#panel.begin(position);
    if (this.#followed) this.#panel.focus();
    if (moved) this.#panel.reveal();
    this.#followed = false;
    return true;
  }

  clear() {
    this.#panel?.end();
    this.#panel = null;
    this.#path = [];
    this.element.replaceChildren();
  }

  /** @param {string | undefined} cell */
  #follow(cell) {
    if (!cell) return;
    this.#followed = true;
    this.acts.hover(null);
    this.acts.pick(cell);
  }
}
