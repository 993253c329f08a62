/** The causes of a weight's change, below the sheet: the question, and a line for each cause that opens in place. */

import { createElement } from "../../elements.js";
import { isCoupled } from "../../engine/interpreter.js";
import { ravel } from "../../engine/tensor.js";
import { parted } from "../../explain/naming.js";
import { onTheme } from "../../theme.js";
import { questionOf } from "./question.js";

/** @typedef {import("../../types.js").App} App */
/** @typedef {import("../../types.js").Trace} Trace */

/** @param {HTMLElement} element @param {App} app */
export function mount(element, app) {
  const view = new WhyView(element, app);
  for (const what of /** @type {const} */ (["place", "trace"])) app.listen(what, () => view.update());
  onTheme(() => view.repaint());
}

class WhyView {
  /** @type {Trace | null} */
  #trace = null;
  #shown = "";
  /** @type {{key: string, values: number[]} | null}  see `#contributionsTo` */
  #contributions = null;

  /** @param {HTMLElement} element @param {App} app */
  constructor(element, app) {
    this.app = app;
    this.element = element;
    element.hidden = true;
  }

  update() {
    const { place, trace } = this.app;
    const isNudge = trace?.nudge || this.#trace?.nudge;
    if (place.why === this.#shown && (trace === this.#trace || isNudge)) return;
    this.#trace = trace;
    this.#shown = place.why ?? "";
    this.element.hidden = !place.why || !trace?.batch;
    if (!place.why || !trace?.batch) return;
    const { question, causes } = questionOf(this.app, trace, place.why, this.#contributionsTo(trace, place.why));
    this.element.replaceChildren(...question, createElement("div.story-causes", ...causes));
  }

  /** Renders again, for another theme or for contributions that have arrived. */
  repaint() {
    this.#shown = "";
    this.#trace = null;
    this.update();
  }

  /**
   * Returns what the images of a batch whose samples depend on each other contribute to a weight's gradient. Returns null if
   * they are independent, or until it is known; the question is then shown again.
   * @param {Trace} trace @param {string} why
   */
  #contributionsTo({ batch, description }, why) {
    if (!batch || !isCoupled(description)) return null;
    const key = `${batch.step} ${why}`;
    if (this.#contributions?.key === key) return this.#contributions.values;
    const { tensor, index } = parted(why);
    const show = (/** @type {number[][]} */ [values]) => {
      this.#contributions = { key, values };
      if (this.app.place.why === why) this.repaint();
    };
    this.app.source.contributions(batch.step, tensor, [ravel(index, description.shapes[tensor])]).then(show, () => undefined);
    return null;
  }
}
