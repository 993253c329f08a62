import { button, createElement } from "../../../elements.js";

/**
 * A kernel with an animated rotation by 180°, from its stored orientation to the one on the patch. Numbers stay upright.
 * For readers who prefer reduced motion, the kernel is shown before and after the rotation instead.
 *
 * @typedef {import("./grid.js").NumberGrid} NumberGrid
 * @typedef {import("./grid.js").Entry} Entry
 * @typedef {import("./stage.js").PanelContext} PanelContext
 */

export class Rotation {
  /** @param {() => NumberGrid} grid creates one @param {PanelContext} context */
  constructor(grid, { still, again }) {
    this.grid = grid();
    this.before = still ? grid() : null;
    const repeat = button("↻ 180°", () => this.turn(), {
      class: "computation-again",
      "aria-label": "show the kernel being rotated by 180 degrees",
      hidden: still,
    });
    const table = createElement("div.computation-turntable", this.grid.element);
    this.element = createElement(
      "div.computation-rotation",
      ...(this.before ? [this.before.element, this.#arrow()] : []),
      table,
      repeat,
    );
    if (still || again) this.grid.element.classList.add("computation-turned");
    else requestAnimationFrame(() => this.turn());
  }

  #arrow() {
    return createElement("span.computation-between", { role: "img", "aria-label": "rotated by 180 degrees" }, "↻");
  }

  turn() {
    const { element } = this.grid;
    element.classList.remove("computation-turned", "computation-turning");
    element.getBoundingClientRect();
    element.classList.add("computation-turned", "computation-turning");
  }

  /** @param {(Entry | null)[]} entries as placed on the patch
   * @param {import("../../../style/scale.js").Scale} scale */
  fill(entries, scale) {
    const stored = [...entries].reverse();
    this.grid.fill(stored, scale);
    this.before?.fill(stored, scale);
  }

  /** @param {number} at */
  mark(at) {
    const place = at < 0 ? -1 : this.grid.rows * this.grid.columns - 1 - at;
    this.grid.mark(place);
    this.before?.mark(place);
  }
}
