/**
 * Training and its history: buttons and state, timeline, the curve of the loss.
 *
 * @import {App, Mark, TrainingState} from "../../types.js"
 */
import { button, createElement } from "../../elements.js";
import { errorMessage } from "../../error_message.js";
import { Controls } from "./controls.js";
import { MetricSeries } from "./metric_series.js";
import { Curve } from "./curve.js";
import { Histories } from "./histories.js";
import { Timeline } from "./timeline.js";
import { whole } from "../../numbers_brief.js";
import { brief, epochWords, measured, measureWords, stepWords } from "./words.js";

/** @param {HTMLElement} element @param {App} app */
export function mount(element, app) {
  const view = new View(element, app);
  app.listen("training", () => void view.trained());
  app.listen("place", () => view.placed());
  app.listen("trace", () => view.traced());
  void view.trained();
  view.traced();
}

class View {
  /** @param {HTMLElement} element @param {App} app */
  constructor(element, app) {
    this.app = app;
    /** @type {string | undefined} name and first step of the history shown last */
    this.opened = undefined;
    const failed = (/** @type {unknown} */ error) => this.failed(error);
    const { training } = app.source;
    this.series = new MetricSeries();
    this.histories = new Histories(training, failed);
    const { measure } = app.description;
    this.controls = new Controls(training, () => this.shown, () => this.go(null), failed, measure);
    this.newest = button("Newest", () => this.go(null), { class: "train-newest", title: "Show the newest step" });
    this.timeline = new Timeline((step) => this.go(step));
    this.curve = new Curve((step) => this.timeline.choose(step));
    element.classList.add("train");
    element.setAttribute("aria-label", "Training");
    const { controls, histories, timeline } = this;
    element.append(histories.element, controls.message, this.curve.element);
    timeline.element.append(this.newest);
    element.after(createElement("section.train-bar", { "aria-label": "Timeline" }, controls.buttons, timeline.element, controls.words));
  }

  /** The shown step. */
  get shown() {
    return this.app.place.step ?? this.app.training?.newest ?? 0;
  }

  /** Goes to the newest step when another history is opened or training has restarted. @param {TrainingState} state */
  followHistory({ history = "", origin = 0, newest }) {
    const now = `${history} ${origin}`;
    const gone = (this.app.place.step ?? 0) > newest; // training has restarted
    if (this.app.place.step !== null && (gone || (this.opened !== undefined && this.opened !== now))) this.go(null);
    this.opened = now;
  }

  /** @param {number | null} step */
  go(step) {
    this.app.go({ step });
  }

  /** @param {unknown} error */
  failed(error) {
    this.controls.message.hidden = false;
    this.controls.message.textContent = errorMessage(error);
  }

  /** Handles a change of the training state. */
  async trained() {
    const state = this.app.training;
    if (!state) return;
    this.placed();
    this.histories.show(state);
    this.controls.show(state);
    this.followHistory(state);
    try {
      if (!(await this.series.follow(this.app.source.training, state))) return;
    } catch {
      return; // the next state triggers another attempt; a banner reports that the server does not answer
    }
    const { training } = this.app;
    this.placed();
    if (training && training.step > this.series.newest) void this.trained();
  }

  /** Handles a change of the shown step. */
  placed() {
    const { training, place } = this.app;
    if (!training) return;
    const origin = training.origin ?? 0;
    const shown = place.step === null ? null : Math.min(place.step, training.newest);
    this.timeline.show({
      origin,
      newest: training.newest,
      shown,
      marks: [...(this.app.source.training.marks?.() ?? []), ...bestOf(training)],
      sparse: training.sparse ?? false,
      words: (step) => this.words(step),
    });
    this.newest.classList.toggle("train-silent", shown === null || shown === training.newest);
    this.say();
    this.curve.show(this.series, place.step);
  }

  /** Shows the numbers of the shown step. */
  say() {
    const { training, trace, place } = this.app;
    const isNewest = place.step === null || place.step === training?.newest;
    const numbers = this.series.at(Math.min(this.shown, this.series.newest)); // the last known ones until those of a new step arrive
    if (training) this.controls.say(training, this.shown, numbers, isNewest || trace?.frame.step === place.step ? (trace?.frame.rate ?? null) : null);
  }

  /** Handles a new trace: another step or another image. */
  traced() {
    this.timeline.arrived();
    this.placed();
  }

  /** Describes a step of the timeline for screen readers. @param {number} step */
  words(step) {
    const { training } = this.app;
    if (!training) return String(step);
    const numbers = this.series.at(step);
    const parts = [`step ${stepWords(training, step)}`, epochWords(training, step)];
    const { measure } = this.app.description;
    if (numbers) {
      parts.push(`loss ${brief(numbers.loss)}`, `${measureWords(measure)} ${measured(measure, numbers.accuracy)}`);
    }
    return parts.filter(Boolean).join(", ");
  }
}

/** Returns the mark of the step that the run keeps, unless it is the last. @param {TrainingState} state @returns {Mark[]} */
function bestOf({ best, newest }) {
  return best === undefined || best === newest ? [] : [{ step: best, words: `step ${whole(best)}: kept by the run` }];
}
