/**
 * The choice between histories (the run's and that of training on this page), and a description of the open one's
 * training data.
 *
 * @import {Training, TrainingState} from "../../types.js"
 */

export class Histories {
  /** @param {Training} training @param {(error: unknown) => void} failed */
  constructor(training, failed) {
    this.training = training;
    this.failed = failed;
    this.element = document.createElement("div");
    this.element.className = "train-histories";
    this.choices = document.createElement("div");
    this.choices.className = "switch train-choices";
    this.choices.setAttribute("role", "group");
    this.choices.setAttribute("aria-label", "Training shown");
    this.about = document.createElement("p");
    this.about.className = "train-about";
    this.element.append(this.choices, this.about);
    this.known = "";
  }

  /** @param {TrainingState} state */
  show(state) {
    const histories = this.training.histories?.() ?? [];
    this.about.textContent = this.training.about?.() ?? "";
    this.choices.hidden = histories.length === 0;
    this.element.hidden = this.choices.hidden && !this.about.textContent;
    const text = JSON.stringify([histories, state.history]);
    if (text === this.known) return;
    this.known = text;
    this.choices.replaceChildren(
      ...histories.map(({ name, words }) => {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = words;
        button.setAttribute("aria-pressed", String(name === state.history));
        button.addEventListener("click", async () => {
          try {
            await this.training.open?.(name);
          } catch (error) {
            this.failed(error);
          }
        });
        return button;
      }),
    );
  }
}
