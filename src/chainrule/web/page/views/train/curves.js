/**
 * The curve of the batch loss. Pointing at it shows a step and its loss; clicking selects the step.
 *
 * @import {MetricSeries} from "./metric_series.js"
 * @typedef {{epochSteps: number, shown: number | null}} Where  shown: the selected step, null for the newest
 */
import { createElement } from "../../elements.js";
import { Plot, sampled } from "./plot.js";
import { amountScale } from "./scales.js";
import { whole } from "../../numbers_brief.js";
import { brief } from "./words.js";

const SAMPLED = 256; // values of the smoothed line that determine the scale
const TITLE = "Batch loss";

export class Curve {
  /** @type {MetricSeries | null} */
  #series = null;
  /** @type {Where} */
  #where = { epochSteps: 0, shown: null };
  /** @type {number | null} */
  #hovered = null;
  #frame = 0;
  #changed = false; // whether the curve must be drawn again

  /** @param {(step: number) => void} pick */
  constructor(pick) {
    this.plot = new Plot((step, clicked) => this.#pointed(step, clicked ? pick : null));
    this.number = createElement("span.train-number");
    const caption = createElement("figcaption", createElement("span.train-title", TITLE), this.number);
    this.element = createElement("figure.train-plot", caption, this.plot.element);
  }

  /** @param {MetricSeries} series @param {Where} where @param {boolean} changed  whether the series has changed */
  show(series, where, changed) {
    this.#series = series;
    this.#where = where;
    this.#later(changed);
  }

  /** @param {number | null} step @param {((step: number) => void) | null} pick */
  #pointed(step, pick) {
    if (step !== null) pick?.(step);
    if (step === this.#hovered) return;
    this.#hovered = step;
    this.#later(false);
  }

  /** @param {boolean} changed */
  #later(changed) {
    this.#changed ||= changed;
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#frame = 0;
    const series = this.#series;
    if (!series) return;
    const { epochSteps, shown } = this.#where;
    const { loss: signal, origin, newest } = series;
    const step = this.#hovered ?? shown ?? newest;
    const now = series.at(step);
    const when = step === newest ? "" : ` at step ${whole(step)}`;
    this.number.textContent = `${now ? brief(now.loss) : "–"}${when}`;
    const content = { signal, origin, newest, epochSteps, shown, hovered: this.#hovered };
    if (!this.#changed && this.plot.content) {
      this.plot.point({ ...this.plot.content, ...content });
      return;
    }
    this.#changed = false;
    const means = sampled(signal.length, SAMPLED).map((k) => signal.mean(k)).filter(Number.isFinite);
    const scale = amountScale([Math.min(...means), Math.max(...means)], signal.range(0, signal.length));
    this.plot.draw({ ...content, scale });
    const steps = newest > origin ? `steps ${whole(origin + 1)} to ${whole(newest)}, now ${this.number.textContent}` : "no steps yet";
    this.plot.base.setAttribute("aria-label", `${TITLE}: ${steps}`);
  }
}
