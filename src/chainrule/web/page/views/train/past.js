/** Says that an earlier step is looked at, and leads back to now. Its place is kept, so that nothing jumps. */

import { whole } from "./words.js";

const HINT = "Drag back on the time line, or click in a curve, to look at everything as it was at an earlier step.";

export class Past {
  /** @param {() => void} back */
  constructor(back) {
    this.element = document.createElement("p");
    this.element.className = "train-past";
    this.words = document.createElement("span");
    this.words.setAttribute("role", "status");
    this.button = document.createElement("button");
    this.button.type = "button";
    this.button.className = "train-back";
    this.button.textContent = "Back to now";
    this.button.addEventListener("click", back);
    this.element.append(this.words, this.button);
  }

  /**
   * @param {number | null} shown  the step that is asked for; null: the newest @param {number} first @param {number} newest
   * @param {number | null} seen  the step that everything above shows by now
   */
  show(shown, first, newest, seen) {
    this.element.classList.toggle("train-no-past", newest === first);
    const past = shown !== null && shown !== newest;
    this.element.classList.toggle("train-is-past", past);
    this.button.hidden = !past;
    const text = past ? `You are looking at step ${whole(shown)}${seen === shown ? "" : ", on its way …"}` : HINT;
    if (this.words.textContent !== text) this.words.textContent = text;
  }
}
