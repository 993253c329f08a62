/** The notice that an earlier step is shown, with a button to the newest one. Its space is reserved in the layout. */

import { button, createElement, setText } from "../../elements.js";
import { whole } from "../../numbers_brief.js";

const HINT = "Drag on the timeline or click in a curve to show everything above at an earlier step.";

export class PastNotice {
  /** @param {() => void} back */
  constructor(back) {
    this.words = createElement("span", { role: "status" });
    this.button = button("Back to the newest step", back, { class: "train-back" });
    this.element = createElement("p", { class: "train-past" }, this.words, this.button);
  }

  /**
   * @param {number | null} shown  the requested step; null: the newest @param {number} first @param {number} newest
   * @param {number | null} tracedStep  the step of the current trace
   */
  show(shown, first, newest, tracedStep) {
    this.element.classList.toggle("train-no-past", newest === first);
    const past = shown !== null && shown !== newest;
    this.element.classList.toggle("train-is-past", past);
    this.button.hidden = !past;
    const text = past ? `Showing step ${whole(shown)}${tracedStep === shown ? "" : ", loading …"}` : HINT;
    setText(this.words, text);
  }
}
