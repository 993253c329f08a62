import { button, make } from "../dom.js";

/**
 * A kernel that is drawn turning by 180°, from how it is stored to how it is laid on the patch. Its numbers stay upright.
 *
 * @typedef {import("./grid.js").NumberGrid} NumberGrid
 * @typedef {import("./grid.js").Entry} Entry
 */

export class Rotation {
  /** @param {NumberGrid} grid @param {boolean} still show it turned at once */
  constructor(grid, still) {
    this.grid = grid;
    const again = button("made-again", "↻ 180°", "show the kernel being rotated by 180 degrees", () => this.turn());
    this.element = make("div", "made-rotation", make("div", "made-turntable", grid.element), again);
    again.hidden = still;
    if (still) grid.element.classList.add("made-turned");
    else requestAnimationFrame(() => this.turn());
  }

  turn() {
    const { element } = this.grid;
    element.classList.remove("made-turned", "made-turning");
    element.getBoundingClientRect();
    element.classList.add("made-turned", "made-turning");
  }

  /** @param {(Entry | null)[]} entries as they are laid on the patch @param {import("../colours.js").Scale} scale */
  fill(entries, scale) {
    this.grid.fill([...entries].reverse(), scale);
  }

  /** @param {number} at */
  mark(at) {
    this.grid.mark(at < 0 ? -1 : this.grid.rows * this.grid.columns - 1 - at);
  }
}
