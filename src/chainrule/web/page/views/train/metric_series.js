/**
 * The series of the open history: loss and metric. New steps are fetched from the source
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
      return cleared || this.newest !== before;
    } finally {
      this.busy = false;
    }
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
}
