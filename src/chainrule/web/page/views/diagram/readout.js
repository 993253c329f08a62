/** The name and value of the cell at the pointer, shown next to it and announced in a live region. */

import { createElement } from "../../elements.js";
import { formatNumber } from "../../explain/numbers.js";

export class Readout {
  /** @param {HTMLElement} track */
  constructor(track) {
    this.track = track;
    this.name = createElement("span.cell-name");
    this.value = createElement("span.number");
    const hidden = { hidden: true, "aria-hidden": "true" };
    this.bubble = createElement("div.diagram-readout", { ...hidden }, this.name, this.value);
    this.live = createElement("p.unseen", { "aria-live": "polite" });
    track.append(this.bubble, this.live);
  }

  /** @param {string} name @param {number} value @param {import("./tiling.js").Rect} rect */
  show(name, value, rect) {
    this.name.textContent = name;
    this.value.textContent = `= ${formatNumber(value)}`;
    this.bubble.hidden = false;
    const { width, height } = this.bubble.getBoundingClientRect();
    const place = this.track.getBoundingClientRect();
    const middle = rect.x + rect.width / 2 - width / 2;
    const above = rect.y - height - 8;
    const x = Math.max(4, Math.min(middle, place.width - width - 4));
    this.bubble.style.transform = `translate(${x}px, ${above < 0 ? rect.y + rect.height + 8 : above}px)`;
  }

  hide() {
    this.bubble.hidden = true;
  }

  /** @param {string} name @param {number} value */
  speak(name, value) {
    this.live.textContent = `${name} = ${formatNumber(value)}`;
  }
}
