/**
 * Training and its history: buttons and state, time line, curves, kernels.
 *
 * @import {App, Mark, TrainingState} from "../../types.js"
 */
import { errorMessage } from "../../error_message.js";
import { Controls } from "./controls.js";
import { Course } from "./metric_series.js";
import { Curves } from "./curves.js";
import { Histories } from "./histories.js";
import { Kernels } from "./kernels.js";
import { Palette } from "./palette.js";
import { Past } from "./past_notice.js";
import { Timeline } from "./timeline.js";
import { whole } from "../../numbers_brief.js";
import { brief, epochWords, measured, measureWords, stepWords } from "./words.js";

const FEW = 2; // with at most this many layers, the kernels are beside the curves

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
    /** @type {string | undefined} the history shown last, and its first step */
    this.opened = undefined;
    const failed = (/** @type {unknown} */ error) => this.failed(error);
    const { training } = app.source;
    this.course = new Course();
    this.palette = new Palette(element, () => this.recoloured());
    this.histories = new Histories(training, failed);
    const { measure } = app.description;
    this.controls = new Controls(training, () => this.shown, () => this.go(null), failed, measure);
    this.past = new Past(() => this.go(null));
    this.timeline = new Timeline((step) => this.go(step));
    this.curves = new Curves(this.palette, (step) => this.timeline.choose(step), measure);
    this.kernels = new Kernels(app);
    const few = this.kernels.rows.length > 0 && this.kernels.rows.length <= FEW;
    const details = document.createElement("div");
    details.className = `train-details${few ? " train-few" : ""}`;
    details.append(this.curves.element, this.kernels.element);
    element.classList.add("train");
    element.setAttribute("aria-label", "Training");
    const { controls, histories, past, timeline } = this;
    element.append(histories.element, controls.element, controls.message, timeline.element, past.element, details);
  }

  /** The step shown. */
  get shown() {
    return this.app.place.step ?? this.app.training?.newest ?? 0;
  }

  /** Goes to the newest step when another history is opened or training has restarted. @param {TrainingState} state */
  turned({ history = "", origin = 0, newest }) {
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

  /** Follows a change of the training state. */
  async trained() {
    const state = this.app.training;
    if (!state) return;
    this.placed();
    this.histories.show(state);
    this.controls.show(state, this.course.at(this.course.newest));
    this.turned(state);
    try {
      if (!(await this.course.follow(this.app.source.training, state))) return;
    } catch {
      return; // the next state tries again; the banner reports that the server is gone
    }
    const { training } = this.app;
    if (training) this.controls.say(training, this.course.at(this.course.newest));
    this.placed();
    this.drawCurves(true);
    if (training && training.step > this.course.newest) void this.trained();
  }

  /** Follows a change of the step shown. */
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
    this.past.show(shown, origin, training.newest, this.app.trace?.frame.step ?? null);
    this.drawCurves(false);
  }

  /** Follows a new trace: another step or another image. */
  traced() {
    const { trace, training } = this.app;
    this.timeline.arrived();
    this.placed();
    if (trace) this.kernels.show(trace.frame, training);
  }

  recoloured() {
    this.drawCurves(true);
    this.kernels.recoloured();
  }

  /** @param {boolean} curves */
  drawCurves(curves) {
    const { training, place } = this.app;
    const { epochSteps = 0, survey = null } = training ?? {};
    this.curves.show(this.course, { epochSteps, survey, shown: place.step }, curves);
  }

  /** Describes a step, for screen readers on the time line. @param {number} step */
  words(step) {
    const { training } = this.app;
    if (!training) return String(step);
    const numbers = this.course.at(step);
    const parts = [`step ${stepWords(training, step)}`, epochWords(training, step)];
    const { measure } = this.app.description;
    if (numbers) {
      parts.push(`loss ${brief(numbers.loss)}`, `${measureWords(measure)} ${measured(measure, numbers.accuracy)}`);
    }
    return parts.filter(Boolean).join(", ");
  }
}

/** Returns the mark of the kept step unless it is the last. @param {TrainingState} state @returns {Mark[]} */
function bestOf({ best, newest }) {
  return best === undefined || best === newest ? [] : [{ step: best, words: `step ${whole(best)}: kept by the run` }];
}
