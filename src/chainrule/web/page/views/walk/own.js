/** The stops of a teacher's walk: a text, and the computation of one cell of the network, to play. */

import { createElement } from "../../elements.js";
import { explain } from "../../explain/index.js";
import { wordsOf } from "../../trouble.js";
import { keysOf } from "../made/keys.js";
import { Panel } from "../made/panel.js";

/**
 * @typedef {import("../../types.js").App} App
 * @typedef {import("../../types.js").OwnStop} OwnStop
 */

export class OwnStops {
  /** @type {Panel | null} */
  #panel = null;

  /** @param {HTMLElement} element @param {App} app @param {(cell: string) => {href: string, follow(): void}} leads */
  constructor(element, app, leads) {
    this.app = app;
    this.leads = leads;
    this.live = createElement("p", { class: "unseen", role: "status" });
    keysOf(element, () => app.place.view === "walk" && this.#panel !== null, () => this.#panel, () => {});
  }

  /** Creates the content of a stop. @param {OwnStop} stop @param {number} number @param {number} count */
  page({ title, words, cell }, number, count) {
    const position = this.#panel && this.#panel.cell === cell ? this.#panel.player.position : null;
    this.#panel?.end();
    this.#panel = null;
    const text = createElement(
      "div",
      { class: "walk-words" },
      createElement("p", { class: "walk-meta" }, `Stop ${number + 1} of ${count}`),
      createElement("h2", { tabindex: -1 }, title),
      ...words.map((each) => createElement("p", {}, each)),
    );
    const made = createElement("article", { class: "stop own", "data-stop": String(number + 1) }, text, this.live);
    if (cell) made.append(this.#computation(cell, position));
    return made;
  }

  /** @param {string} cell @param {number | null} position */
  #computation(cell, position) {
    const { trace } = this.app;
    if (!trace) return "";
    try {
      const explanation = explain(trace, cell);
      const making = {
        explanation,
        trace,
        still: matchMedia("(prefers-reduced-motion: reduce)").matches,
        follow: (/** @type {string} */ to) => this.leads(to).follow(),
        hover: () => {},
        href: (/** @type {string} */ to) => this.leads(to).href,
      };
      const act = { back: () => {}, close: () => this.leads(cell).follow() };
      this.#panel = new Panel(making, [explanation.cell], act, (said) => void (this.live.textContent = said));
      this.#panel.begin(position);
      return createElement("div", { class: "walk-computation" }, this.#panel.element);
    } catch (problem) {
      return createElement("p", { class: "made-trouble" }, `${cell} cannot be shown: ${wordsOf(problem)}`);
    }
  }

  end() {
    this.#panel?.end();
    this.#panel = null;
  }
}
