/**
 * The live part of a stop: the network in one line with the walk's path, and the animated computation of the stop's
 * cell.
 */

import { createElement } from "../../elements.js";
import { explain } from "../../explain/index.js";
import { errorMessage } from "../../error_message.js";
import { keysOf } from "../computation/keys.js";
import { Panel } from "../computation/panel.js";
import { Strip } from "../computation/strip.js";

/**
 * @typedef {import("../../types.js").App} App
 * @typedef {{href(cell: string): string, follow(cell: string): void}} Leads  href: address of a cell in the network;
 *   follow: goes there
 */

export class Live {
  /** @type {Panel | null} */
  #panel = null;

  /**
   * @param {App} app @param {Leads} leads
   * @param {(target: Element) => boolean} keys  whether the player handles keys pressed on an element
   */
  constructor(app, leads, keys) {
    this.app = app;
    this.leads = leads;
    this.strip = new Strip(app.description);
    this.said = createElement("p", { class: "unseen", role: "status" });
    const panel = () => (keys(document.activeElement ?? document.body) ? this.#panel : null);
    keysOf(document.body, () => app.place.view === "walk", panel, () => {});
  }

  /**
   * Returns the elements above a stop (the strip with a path) and below it (the computation of the path's last cell, if
   * open).
   * @param {string[]} path @param {boolean} open @returns {{above: HTMLElement[], below: HTMLElement[]}}
   */
  show(path, open) {
    const cell = path[path.length - 1];
    const { trace } = this.app;
    const before = this.#panel?.cell === cell ? this.#panel?.player : null;
    const playing = before?.playing ?? false;
    this.end();
    if (!cell || !trace) return { above: [], below: [] };
    try {
      const explanation = explain(trace, cell);
      const making = {
        explanation,
        trace,
        still: matchMedia("(prefers-reduced-motion: reduce)").matches,
        follow: this.leads.follow,
        hover: () => {},
        href: this.leads.href,
        contributions: (/** @type {[number, string, number]} */ ...of) => this.app.source.contributions(...of),
        show: (/** @type {import("../../types.js").Picture} */ picture, /** @type {string} */ at) => {
          this.app.show(picture);
          this.leads.follow(at);
        },
      };
      this.strip.show(making, path);
      const above = [this.strip.element];
      if (!open) return { above, below: [] };
      const act = { back: () => {}, close: () => {} };
      this.#panel = new Panel(making, [explanation.cell], act, (words) => void (this.said.textContent = words));
      this.#panel.begin(before?.position ?? null, before?.seconds, playing);
      return { above, below: [createElement("div", { class: "walk-computation" }, this.#panel.element, this.said)] };
    } catch (problem) {
      return { above: [], below: [createElement("p", { class: "computation-trouble" }, `${cell} cannot be shown: ${errorMessage(problem)}`)] };
    }
  }

  end() {
    this.#panel?.end();
    this.#panel = null;
  }
}
