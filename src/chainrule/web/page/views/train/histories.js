/**
 * The choice between histories (of the run, and of training on this page), and a description of the training data of
 * the open history.
 *
 * @import {Training, TrainingState} from "../../types.js"
 */

import { button, createElement } from "../../elements.js";

export class Histories {
  /** @param {Training} training @param {(error: unknown) => void} failed */
  constructor(training, failed) {
    this.training = training;
    this.failed = failed;
    this.choices = createElement("div.switch.train-choices", { role: "group", "aria-label": "Training shown" });
    this.about = createElement("p.train-about");
    this.element = createElement("div.train-histories", this.choices, this.about);
    this.shown = "";
  }

  /** @param {TrainingState} state */
  show(state) {
    const histories = this.training.histories?.() ?? [];
    this.about.textContent = this.training.about?.() ?? "";
    this.choices.hidden = histories.length === 0;
    this.element.hidden = this.choices.hidden && !this.about.textContent;
    const text = JSON.stringify([histories, state.history]);
    if (text === this.shown) return;
    this.shown = text;
    this.choices.replaceChildren(
      ...histories.map(({ name, words }) => {
        const open = async () => this.training.open?.(name);
        return button(words, () => void open().catch(this.failed), { "aria-pressed": String(name === state.history) });
      }),
    );
  }
}
