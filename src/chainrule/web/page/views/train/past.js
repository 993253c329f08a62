/** The notice that an earlier step is shown, with a button back to the newest. It keeps its space in the layout. */

import { whole } from "../../numbers_brief.js";

const HINT = "Drag on the time line or click in a curve to see everything above as it was at an earlier step.";

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
    this.button.textContent = "Back to the newest step";
    this.button.addEventListener("click", back);
    this.element.append(this.words, this.button);
  }

  /**
   * @param {number | null} shown  the requested step; null: the newest @param {number} first @param {number} newest
   * @param {number | null} seen  the step shown so far
   */
  show(shown, first, newest, seen) {
    this.element.classList.toggle("train-no-past", newest === first);
    const past = shown !== null && shown !== newest;
    this.element.classList.toggle("train-is-past", past);
    this.button.hidden = !past;
    const text = past ? `Showing step ${whole(shown)}${seen === shown ? "" : ", loading …"}` : HINT;
    if (this.words.textContent !== text) this.words.textContent = text;
  }
}
