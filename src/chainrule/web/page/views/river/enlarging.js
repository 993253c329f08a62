/** Which map is shown large, and where: beside the others of its layer. */

import { Loupe } from "./loupe.js";

/** @typedef {import("./stage.js").StageView} StageView */
/** @typedef {import("./block.js").Block} Block */
/** @typedef {import("./block.js").River} Reporting */
/** @typedef {import("../../types.js").Trace} Trace */

export class Enlarging {
  /** @type {Loupe | null} */
  loupe = null;

  /**
   * @param {HTMLElement} place  that scrolls sideways @param {HTMLElement} track @param {Reporting} river
   * @param {() => void} closed
   */
  constructor(place, track, river, closed) {
    this.place = place;
    this.track = track;
    this.river = river;
    this.closed = closed;
  }

  get block() {
    return this.loupe?.block ?? null;
  }

  /** @param {Trace} trace @param {StageView} stage @param {Block} source @param {number} flat  must be in sight */
  open(trace, stage, source, flat) {
    if (this.loupe?.source === source) {
      this.loupe.block.cursor = flat;
      this.loupe.block.reveal(flat);
      return;
    }
    this.shut();
    this.#holdStill(stage);
    this.loupe = new Loupe(stage, source, this.river, () => this.close());
    this.loupe.open(trace, flat);
    this.#bringIn(stage.element);
  }

  shut() {
    this.loupe?.remove();
    this.loupe = null;
    this.track.style.columnGap = "";
  }

  /** Shuts it on the reader's wish. */
  close() {
    const stage = this.loupe?.stage;
    this.shut();
    stage?.button?.focus();
    this.closed();
  }

  /** The stages must not move away under the pointer when one of them grows. @param {StageView} stage */
  #holdStill(stage) {
    const next = stage.element.nextElementSibling;
    if (!next?.classList.contains("river-stage")) return;
    const gap = next.getBoundingClientRect().left - stage.element.getBoundingClientRect().right;
    this.track.style.columnGap = `${gap}px`;
  }

  /** Scrolls sideways, no further than needed, until stage and loupe are in sight. @param {HTMLElement} stage */
  #bringIn(stage) {
    const { scrollLeft, clientWidth } = this.place;
    const { offsetLeft, offsetWidth } = stage;
    const right = offsetLeft + offsetWidth;
    const room = Math.min(120, Math.max(0, clientWidth - offsetWidth));
    const hidden = right > scrollLeft + clientWidth;
    const left = hidden ? right - clientWidth + 24 : offsetLeft < scrollLeft ? offsetLeft - room : scrollLeft;
    this.place.scrollTo({ left, behavior: "instant" });
  }
}
