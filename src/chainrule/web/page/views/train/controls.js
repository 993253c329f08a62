/**
 * The training buttons and the training state.
 *
 * @import {Training, TrainingState} from "../../types.js"
 */
import { button, createElement, setText } from "../../elements.js";
import { confirmed } from "./confirm.js";
import { whole } from "../../numbers_brief.js";
import { brief, epochWords, measured, measureWords, stepWords } from "./words.js";

export class Controls {
  /**
   * @param {Training} training @param {() => number} shown  returns the shown step
   * @param {() => void} begin  called before steps are taken
   * @param {(error: unknown) => void} failed @param {string} measure
   */
  constructor(training, shown, begin, failed, measure) {
    this.measure = measure;
    this.training = training;
    this.shown = shown;
    this.begin = begin;
    this.failed = failed;
    /** @type {TrainingState | null} */
    this.state = null;
    this.buttons = createElement("div.train-buttons", { role: "group", "aria-label": "Training" });
    this.startButton = this.button("Train", "train-go", () => this.startOrPause());
    this.ways = [
      this.button("1 step", "train-one", () => this.startAnd(() => training.advance(1))),
      this.button("10 steps", "train-ten", () => this.startAnd(() => training.advance(10))),
      this.button("1 epoch", "train-epoch", () => this.startAnd(() => training.epoch())),
    ];
    this.restartButton = this.button("Restart …", "train-again", () => this.restart());
    this.buttons.append(...this.rateField());
    this.words = createElement("dl.train-words", { title: "Means over the images of the step, computed before the step" });
    this.message = createElement("p.train-message", { role: "status" });
  }

  /** @param {string} text @param {string} name @param {() => unknown} act */
  button(text, name, act) {
    const run = async () => {
      if (control.ariaDisabled !== "true") await act();
    };
    const control = button(text, () => void run().catch(this.failed), { class: `train-button ${name}`, "aria-disabled": "true" });
    this.buttons.append(control);
    return control;
  }

  startOrPause() {
    return this.state?.running ? this.training.pause() : this.startAnd(() => this.training.start());
  }

  /** Returns a field with the learning rate of training on this page, if it can be chosen. */
  rateField() {
    const { rate, setRate } = this.training;
    if (!rate || !setRate) return [];
    const field = createElement("input", { type: "number", min: 0, step: "any", value: rate(), class: "train-rate" });
    field.title = "Used when training starts from a step of the run";
    field.addEventListener("change", () => {
      if (field.valueAsNumber > 0) setRate(field.valueAsNumber);
      else field.value = String(rate());
    });
    return [createElement("label.train-option", "rate of new steps ", field)];
  }

  /** Runs a training command. If the run's history is open, starts training on this page first. @param {() => Promise<unknown>} act */
  async startAnd(act) {
    if (this.state?.sparse) {
      const step = this.shown();
      const words = "Earlier training on this page is discarded. The run’s history is kept.";
      if (this.training.histories?.().length && !(await this.confirm(`Train from step ${whole(step)}?`, words, "Train"))) return;
      await this.training.begin?.(step);
    }
    this.begin();
    await act();
  }

  async restart() {
    const words = this.state?.history
      ? "Training on this page starts from the initial weights, and earlier training on it is discarded. The run’s " +
        "history is kept."
      : "Training starts again from step 0, and its results so far are discarded. With the same seed, every step " +
        "gives the same result.";
    if (await this.confirm("Restart the training?", words, "Restart")) await this.training.restart();
  }

  /** @param {string} question @param {string} words @param {string} yes */
  confirm(question, words, yes) {
    return confirmed(this.buttons, question, words, yes);
  }

  /** @param {TrainingState} state */
  show(state) {
    this.state = state;
    const ended = !state.sparse && state.steps > 0 && state.step >= state.steps;
    this.startButton.textContent = nameOf(state);
    const none = state.fixed || (state.steps === 0 && !state.history); // training is unavailable, or not available yet
    const end = ended ? `The run ended with step ${whole(state.steps)}. Further steps begin its schedule again.` : "";
    const lacking = none ? state.message || "Training is not available." : "";
    const busy = state.running ? "Pause the training first." : "";
    allow(this.startButton, state.running ? "" : lacking);
    this.startButton.classList.toggle("train-running", state.running);
    for (const way of this.ways) allow(way, busy || lacking);
    allow(this.restartButton, state.step === 0 && !state.history ? "Training has not started." : "");
    this.message.textContent = state.message || end;
    this.message.hidden = !this.message.textContent;
  }

  /**
   * Shows the numbers of the shown step, the most important first: a narrow window cuts off the last.
   * @param {TrainingState} state @param {number} step @param {{loss: number, accuracy: number} | null} numbers
   * @param {number | null} rate  learning rate of the next step
   */
  say(state, step, numbers, rate) {
    const epoch = epochWords(state, step);
    const pairs = [
      ["step", stepWords(state, step)],
      ["batch loss", numbers ? brief(numbers.loss) : "–"],
      [`batch ${measureWords(this.measure)}`, numbers ? measured(this.measure, numbers.accuracy) : "–"],
      ...(epoch ? [["epoch", epoch.replace("epoch ", "")]] : []),
      ...(rate === null || this.training.setRate ? [] : [["learning rate", brief(rate)]]),
    ];
    if (this.words.children.length !== pairs.length) {
      this.words.replaceChildren(...pairs.map(() => createElement("div", createElement("dt"), createElement("dd"))));
    }
    pairs.forEach(([name, value], k) => {
      const [term, number] = this.words.children[k]?.children ?? [];
      setText(term, name ?? "");
      this.words.children[k]?.classList.toggle("train-silent", !value);
      setText(number, value ?? "");
    });
  }
}

/** Allows a button, or disables it for a reason. It keeps the focus, unlike with `disabled`. @param {HTMLElement} control @param {string} why */
function allow(control, why) {
  control.ariaDisabled = String(why !== "");
  control.title = why;
}

/** Returns the label of the first button. @param {TrainingState} state */
function nameOf(state) {
  if (state.running) return "Pause";
  if (state.sparse) return "Train from here";
  return state.step > (state.origin ?? 0) ? "Continue" : "Train";
}
