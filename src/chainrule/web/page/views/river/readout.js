/** The name and value of the cell pointed at, shown beside it and announced in a live region. */

import { make } from "../../elements.js";
import { shown } from "../../explain/numbers.js";

export class Readout {
  /** @param {HTMLElement} track */
  constructor(track) {
    this.track = track;
    this.name = make("span", { class: "cell-name" });
    this.value = make("span", { class: "number" });
    const hidden = { hidden: true, "aria-hidden": "true" };
    this.bubble = make("div", { class: "river-readout", ...hidden }, this.name, this.value);
    this.live = make("p", { class: "unseen", "aria-live": "polite" });
    track.append(this.bubble, this.live);
  }

  /** @param {string} name @param {number} value @param {string} word @param {import("./tiling.js").Rect} rect */
  show(name, value, word, rect) {
    this.name.textContent = name;
    this.value.textContent = `${word}= ${shown(value)}`;
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
    this.live.textContent = `${name} = ${shown(value)}`;
  }
}
