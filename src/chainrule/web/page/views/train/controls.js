/**
 * The training buttons and the training state.
 *
 * @import {Training, TrainingState} from "../../types.js"
 */
import { button, createElement, setText } from "../../elements.js";
import { confirmed } from "./confirm.js";
import { whole } from "../../numbers_brief.js";
import { brief, epochWords, measured, measureWords, Speed, stepWords } from "./words.js";

const PAUSE = 1000; // milliseconds between steps in slow motion

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
    this.speed = new Speed();
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
    this.creeping = false; // whether slow motion is on its way
    this.slow = createElement("input", { type: "checkbox" });
    this.slow.addEventListener("change", () => void this.pause().catch(failed));
    this.buttons.append(createElement("label.train-option", this.slow, " slow motion"), ...this.rateField());
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
    if (this.state?.running || this.creeping) return this.pause();
    return this.startAnd(() => (this.slow.checked ? this.creep() : this.training.start()));
  }

  async pause() {
    this.creeping = false;
    if (this.state?.running) await this.training.pause();
    if (this.state) this.show(this.state);
  }

  /** Takes one step at a time. */
  async creep() {
    this.creeping = true;
    while (this.creeping && this.buttons.isConnected) {
      const { step, steps, message } = await this.training.advance(1);
      if (message || step === steps) this.creeping = false;
      await new Promise((resume) => setTimeout(resume, PAUSE));
    }
    if (this.state) this.show(this.state);
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
    this.speed.see(state, performance.now());
    this.state = state;
    const ended = !state.sparse && state.steps > 0 && state.step >= state.steps;
    this.startButton.textContent = this.creeping ? "Pause" : nameOf(state);
    const none = state.fixed || (state.steps === 0 && !state.history); // training is unavailable, or not available yet
    const end = ended ? `The run ended with step ${whole(state.steps)}. Further steps have its last learning rate.` : "";
    const lacking = none ? state.message || "Training is not available." : "";
    const busy = state.running || this.creeping ? "Pause the training first." : "";
    allow(this.startButton, state.running ? "" : lacking);
    this.startButton.classList.toggle("train-running", state.running || this.creeping);
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
    const speed = this.speed.rate;
    const pairs = [
      ["step", stepWords(state, step)],
      ["batch loss", numbers ? brief(numbers.loss) : "–"],
      [`batch ${measureWords(this.measure)}`, numbers ? measured(this.measure, numbers.accuracy) : "–"],
      ...(epoch ? [["epoch", epoch.replace("epoch ", "")]] : []),
      ...(rate === null || this.training.setRate ? [] : [["learning rate", brief(rate)]]),
      ...(state.running && speed ? [["steps per second", speed < 10 ? brief(speed) : whole(speed)]] : []),
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
