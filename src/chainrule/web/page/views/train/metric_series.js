/**
 * The series of the open history: loss, metric and gradient norms by layer. New steps are fetched from the source
 * as training proceeds.
 *
 * @import {Series, Training, TrainingState} from "../../types.js"
 */
import { Signal } from "./signal.js";

export class MetricSeries {
  busy = false;
  history = "";
  origin = 0; // number of steps before the first value
  loss = new Signal();
  accuracy = new Signal();
  /** @type {Map<string, Signal>} only at `normSteps`, since measuring all steps might cost as much as training */
  norms = new Map();
  /** @type {number[]} */
  normSteps = [];
  surveyed = 0; // number of earlier steps that the survey has measured so far

  /** The newest known step. */
  get newest() {
    return this.origin + this.loss.length;
  }

  /**
   * Fetches missing steps up to a state; returns whether anything changed. A second call returns while the first runs.
   *
   * @param {Training} training @param {TrainingState} state
   */
  async follow(training, state) {
    if (this.busy) return false;
    this.busy = true;
    try {
      const cleared = this.isAnother(state);
      const { history = "", origin = 0 } = state;
      if (cleared) Object.assign(this, new MetricSeries(), { busy: true, history, origin });
      const before = this.newest;
      while (this.newest < state.step) {
        const last = this.newest;
        this.append(await training.series(last), state.step);
        if (this.newest === last) break;
      }
      const surveyed = await this.survey(training, state);
      return cleared || surveyed || this.newest !== before;
    } finally {
      this.busy = false;
    }
  }

  /**
   * Fetches all norms again, since a survey inserts norms of earlier steps.
   *
   * @param {Training} training @param {TrainingState} state
   */
  async survey(training, { survey, step }) {
    const measured = survey?.measured ?? 0;
    if (!training.norms || measured === this.surveyed) return false;
    const { norms, norm_steps: steps } = await training.norms();
    this.norms = new Map();
    this.normSteps = [];
    this.appendNorms({ norms, norm_steps: steps }, step);
    this.surveyed = measured;
    return true;
  }

  /** @param {TrainingState} state */
  isAnother(state) {
    return state.step < this.newest || this.history !== (state.history ?? "") || this.origin !== (state.origin ?? 0);
  }

  /** @param {Series} series @param {number} until  later steps are left for the next call */
  append(series, until) {
    const [skip, behind] = [this.newest + 1 - series.first, until + 1 - series.first];
    if (skip < 0 || skip >= series.loss.length) return;
    this.loss.append(series.loss.slice(skip, behind));
    this.accuracy.append(series.accuracy.slice(skip, behind));
    this.appendNorms(series, until);
  }

  /** @param {Pick<Series, "norms" | "norm_steps">} series @param {number} until */
  appendNorms(series, until) {
    const steps = series.norm_steps;
    const last = this.normSteps.at(-1) ?? this.origin;
    const fresh = steps.map((_, k) => k).filter((k) => steps[k] > last && steps[k] <= until);
    for (const [layer, values] of Object.entries(series.norms)) {
      const signal = this.norms.get(layer) ?? new Signal();
      signal.append(fresh.map((k) => values[k]));
      this.norms.set(layer, signal);
    }
    if (this.norms.size) this.normSteps.push(...fresh.map((k) => steps[k]));
  }

  /**
   * Returns the loss and the metric of a step; null if unknown.
   *
   * @param {number} step
   */
  at(step) {
    const index = step - this.origin - 1;
    if (index < 0 || index >= this.loss.length) return null;
    return { loss: this.loss.values[index], accuracy: this.accuracy.values[index] };
  }

  /**
   * Returns the last measured step up to `step`, and the gradient norm of each layer at that step.
   *
   * @param {number} step
   */
  normsAt(step) {
    const index = this.normSteps.findLastIndex((measuredStep) => measuredStep <= step);
    const entries = [...this.norms].map(([layer, signal]) => [layer, signal.values[index] ?? NaN]);
    return { step: this.normSteps[index] ?? 0, norms: new Map(/** @type {[string, number][]} */ (entries)) };
  }
}
