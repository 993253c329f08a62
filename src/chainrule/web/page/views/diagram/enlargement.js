/** The enlarged map (loupe), which is shown next to the other maps of its layer. */

import { Loupe } from "./loupe.js";

/** @typedef {import("./stage.js").StageView} StageView */
/** @typedef {import("./block.js").Block} Block */
/** @typedef {import("./block.js").BlockEvents} Reporting */
/** @typedef {import("../../types.js").Trace} Trace */

export class Enlargement {
  /** @type {Loupe | null} */
  loupe = null;

  /**
   * @param {HTMLElement} place  scrolls horizontally @param {HTMLElement} track @param {Reporting} events
   * @param {() => void} closed
   */
  constructor(place, track, events, closed) {
    this.place = place;
    this.track = track;
    this.events = events;
    this.closed = closed;
  }

  get block() {
    return this.loupe?.block ?? null;
  }

  /** @param {Trace} trace @param {StageView} stage @param {Block} source @param {number} flat  must be visible */
  open(trace, stage, source, flat) {
    if (this.loupe?.source === source) {
      this.loupe.block.cursor = flat;
      this.loupe.block.reveal(flat);
      return;
    }
    this.shut();
    this.#holdStill(stage);
    this.loupe = new Loupe(stage, source, this.events, () => this.close());
    this.loupe.open(trace, flat);
    this.#bringIn(stage.element);
  }

  shut() {
    this.loupe?.remove();
    this.loupe = null;
    this.track.style.columnGap = "";
  }

  /** Closes the enlarged map at the reader's request, and restores the keyboard focus. */
  close() {
    const stage = this.loupe?.stage;
    this.shut();
    stage?.button?.focus();
    this.closed();
  }

  /**
   * Fixes the gap between stages, so that they do not move under the pointer when a stage grows.
   * @param {StageView} stage
   */
  #holdStill(stage) {
    const next = stage.element.nextElementSibling;
    if (!next?.classList.contains("diagram-stage")) return;
    const gap = next.getBoundingClientRect().left - stage.element.getBoundingClientRect().right;
    this.track.style.columnGap = `${gap}px`;
  }

  /** Scrolls horizontally just far enough to show the stage and the loupe. @param {HTMLElement} stage */
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
