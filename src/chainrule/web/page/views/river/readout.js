/** The name and the value of the cell pointed at: beside it for the eye, in a live region for a screen reader. */

import { shown } from "../../explain/numbers.js";

export class Readout {
  /** @param {HTMLElement} track */
  constructor(track) {
    this.track = track;
    this.bubble = document.createElement("div");
    this.bubble.className = "river-readout";
    this.bubble.hidden = true;
    this.bubble.setAttribute("aria-hidden", "true");
    this.name = document.createElement("span");
    this.name.className = "cell-name";
    this.value = document.createElement("span");
    this.value.className = "number";
    this.bubble.append(this.name, this.value);
    this.live = document.createElement("p");
    this.live.className = "unseen";
    this.live.setAttribute("aria-live", "polite");
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
