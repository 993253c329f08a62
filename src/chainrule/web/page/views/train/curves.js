/**
 * The curves: loss, accuracy (or another metric) and gradient norms by layer, on a common axis of steps. Pointing at a
 * plot shows the step and its values on all three plots; clicking selects the step.
 *
 * @import {MetricSeries} from "./metric_series.js"
 * @import {Line} from "./plot.js"
 * @import {Signal} from "./signal.js"
 * @typedef {{
 *   epochSteps: number, shown: number | null, survey: {measured: number, of: number} | null,
 * }} Where  shown: the selected step, null for the newest; survey: see TrainingState
 */
import { createElement } from "../../elements.js";
import { Panel } from "./panel.js";
import { FEW, sampled } from "./plot.js";
import { accuracyScale, amountScale } from "./scales.js";
import { whole } from "../../numbers_brief.js";
import { brief, isShare, measured, measureWords } from "./words.js";

const COLORS = 8; // number of line colors in train-curves.css

export class Curves {
  /** @param {(step: number) => void} pick @param {string} measure */
  constructor(pick, measure) {
    this.pick = pick;
    this.measure = measure;
    const title = `Batch ${measureWords(measure)}`;
    const plots = [["Batch loss", "train-loss"], [title, "train-accuracy"], ["Gradient norm", "train-norms"]];
    this.panels = plots.map(([heading, name]) => new Panel(heading, name, (step, clicked) => this.pointed(step, clicked)));
    this.element = createElement("div.train-plots", ...this.panels.map((panel) => panel.element));
    /** @type {MetricSeries | null} */
    this.series = null;
    /** @type {Where} */
    this.where = { epochSteps: 0, shown: null, survey: null };
    /** @type {number | null} */
    this.hovered = null;
    this.due = { frame: 0, curves: false };
  }

  /** @param {MetricSeries} series @param {Where} where @param {boolean} curves  whether the curves changed */
  show(series, where, curves) {
    this.series = series;
    this.where = where;
    this.later(curves);
  }

  /** Returns the progress of the survey. */
  progress() {
    const { survey } = this.where;
    return survey && survey.measured < survey.of ? `measuring … ${survey.measured} of ${survey.of} steps` : "";
  }

  /** @param {number | null} step @param {boolean} clicked */
  pointed(step, clicked) {
    if (clicked && step !== null) this.pick(step);
    if (step === this.hovered) return;
    this.hovered = step;
    this.later(false);
  }

  /** @param {boolean} curves */
  later(curves) {
    this.due.curves ||= curves;
    this.due.frame ||= requestAnimationFrame(() => this.draw());
  }

  draw() {
    const { curves } = this.due;
    this.due = { frame: 0, curves: false };
    const { series } = this;
    if (!series) return;
    const [loss, accuracy, norms] = this.panels;
    const step = this.hovered ?? this.where.shown ?? series.newest;
    const now = series.at(step);
    const all = { origin: series.origin, newest: series.newest, epochSteps: this.where.epochSteps, shown: this.where.shown };
    const content = { ...all, hovered: this.hovered };
    const past = this.hovered !== null || (this.where.shown !== null && this.where.shown !== series.newest);
    const at = past ? ` at step ${whole(step)}` : "";
    loss.show([line("loss", series.loss)], lossOf, content, curves, `${now ? brief(now.loss) : "–"}${at}`);
    const number = `${now ? measured(this.measure, now.accuracy) : "–"}${at}`;
    const scaleOf = isShare(this.measure) ? accuracyOf : lossOf;
    accuracy.show([line(measureWords(this.measure), series.accuracy)], scaleOf, content, curves, number);
    norms.element.hidden = series.normSteps.length === 0;
    const lines = [...series.norms].map(([name, signal], k) => {
      return { name, signal, steps: series.normSteps, color: `--line-${k % COLORS}`, dash: dashOf(k), raw: false };
    });
    const normsHere = series.normsAt(step);
    const isOlder = normsHere.step !== step; // norms are measured at some steps only
    const when = normsHere.step && (past || isOlder) ? `${isOlder ? "last measured " : ""}at step ${whole(normsHere.step)}` : this.progress();
    norms.show(lines, normsOf, { ...content, hovered: this.hovered && normsHere.step }, curves, when);
    norms.legend(lines, normsHere.norms);
  }
}

/** Returns the dash pattern of the k-th line. @param {number} k */
function dashOf(k) {
  return [[], [6, 3], [2, 2]][Math.floor(k / COLORS) % 3];
}

/** @param {string} name @param {Signal} signal @returns {Line} */
function line(name, signal) {
  return { name, signal, steps: null, color: "--line-0", dash: [], raw: true };
}

/** @param {Line[]} lines */
function lossOf(lines) {
  return amountScale(smoothed(lines), raw(lines));
}

/** @param {Line[]} lines */
function accuracyOf(lines) {
  return accuracyScale(smoothed(lines)[1]);
}

/** @param {Line[]} lines */
function normsOf(lines) {
  const smoothedRange = smoothed(lines); // only smoothed lines are drawn, or points where there are few values
  return amountScale(smoothedRange, lines[0]?.signal.length > FEW ? smoothedRange : raw(lines));
}

/** @param {Line[]} lines @returns {[number, number]} */
function raw(lines) {
  const ranges = lines.map(({ signal }) => signal.range(0, signal.length));
  return [Math.min(...ranges.map((range) => range[0])), Math.max(...ranges.map((range) => range[1]))];
}

/** @param {Line[]} lines @returns {[number, number]} */
function smoothed(lines) {
  const values = lines.flatMap(({ signal }) => sampled(signal.length, 256).map((k) => signal.mean(k)));
  const finite = values.filter(Number.isFinite);
  return [Math.min(...finite), Math.max(...finite)];
}
