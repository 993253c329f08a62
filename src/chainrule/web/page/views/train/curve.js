/**
 * The curve of the batch loss: every value faintly, and their running mean. Clicking selects a step.
 *
 * @import {MetricSeries} from "./metric_series.js"
 */
import { createElement, createSvg } from "../../elements.js";
import { axis, dot, label, polyline, segment } from "../../figures/drawing.js";
import { whole } from "../../numbers_brief.js";
import { amountScale, round } from "./scales.js";

const [LEFT, RIGHT, TOP, BOTTOM, HEIGHT] = [46, 12, 8, 22, 150]; // pixels
const LINE = 12; // pixels; smallest distance between two labels of the axis
const APART = 56; // pixels; smallest distance between two labels of steps
const FEW = 12; // values; a line of at most this many is also drawn as points
const TITLE = "Batch loss";

export class Curve {
  /** @type {MetricSeries | null} */
  #series = null;
  /** @type {number | null} */
  #shown = null;
  #frame = 0;

  /** @param {(step: number) => void} pick */
  constructor(pick) {
    this.svg = createSvg("svg", { class: "train-curve", role: "img", height: HEIGHT });
    this.element = createElement("figure.train-plot", createElement("figcaption.train-title", TITLE), this.svg);
    this.svg.addEventListener("click", ({ clientX }) => pick(this.#stepAt(clientX - this.svg.getBoundingClientRect().left)));
    new ResizeObserver(() => this.#later()).observe(this.svg);
  }

  /** @param {MetricSeries} series @param {number | null} shown  the selected step, null for the newest */
  show(series, shown) {
    this.#series = series;
    this.#shown = shown;
    this.#later();
  }

  #later() {
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  /** @param {number} x */
  #stepAt(x) {
    const { origin, newest } = /** @type {MetricSeries} */ (this.#series);
    const step = axis(LEFT, this.svg.clientWidth - RIGHT, origin, newest)(x);
    return Math.round(Math.min(newest, Math.max(origin, step)));
  }

  #draw() {
    this.#frame = 0;
    const width = this.svg.clientWidth;
    if (!this.#series || !width) return;
    const { loss, origin, newest } = this.#series;
    const [right, floor] = [width - RIGHT, HEIGHT - BOTTOM];
    const x = axis(origin, newest, LEFT, right);
    const means = sampled(loss.length, right - LEFT).map((k) => [x(origin + k + 1), loss.mean(k)]);
    const finite = means.map(([, mean]) => mean).filter(Number.isFinite);
    const scale = amountScale([Math.min(...finite), Math.max(...finite)], loss.range(0, loss.length));
    const y = (/** @type {number} */ value) => axis(0, 1, floor, TOP)(Math.min(1.02, Math.max(-0.02, scale.place(value))));
    const raw = ranges(loss, right - LEFT).flatMap(([at, low, high]) => [[x(origin + at), low], [x(origin + at), high]]);
    const placed = (/** @type {number[][]} */ points) => points.filter(([, value]) => !Number.isNaN(value)).map(([across, value]) => [across, y(value)]);
    this.svg.replaceChildren(
      ...spaced(scale.ticks.map(({ value, text }) => ({ at: y(value), text }))).flatMap(({ at, text }) => [segment("train-grid", LEFT, at, right, at), label(text, LEFT - 8, at + 4, "end")]),
      ...round(origin, newest, Math.max(1, Math.floor((right - LEFT) / APART))).filter((step) => newest > origin && Number.isInteger(step)).map((step) => label(step === origin ? `step ${whole(step)}` : whole(step), x(step), HEIGHT - 6, step === origin ? "start" : x(step) > right - LINE ? "end" : "middle")),
      polyline("train-raw", placed(raw)),
      polyline("train-mean", placed(means)),
      ...(loss.length > FEW ? [] : placed(means).map(([across, down]) => dot("train-dot", across, down, 2))), // a line would hide how few values there are
      ...(this.#shown === null ? [] : [segment("train-shown", x(this.#shown), TOP, x(this.#shown), floor)]),
    );
    const steps = newest > origin ? `steps ${whole(origin + 1)} to ${whole(newest)}` : "no steps yet";
    this.svg.setAttribute("aria-label", `${TITLE}: ${steps}`);
  }
}

/** Drops labels that would overlap the one below them. @param {{at: number, text: string}[]} labels  from the bottom to the top */
function spaced(labels) {
  let below = Infinity;
  return labels.filter(({ at }) => {
    const hasRoom = at <= below - LINE;
    if (hasRoom) below = at;
    return hasRoom;
  });
}

/** Returns the middle, the smallest and the largest of the values of each column of pixels. @param {import("./signal.js").Signal} signal @param {number} most  columns */
function ranges(signal, most) {
  const columns = Math.min(signal.length, most);
  return Array.from({ length: columns }, (_, column) => {
    const [first, last] = [column, column + 1].map((place) => Math.floor((place * signal.length) / columns));
    return [(first + last + 1) / 2, ...signal.range(first, last)];
  });
}

/**
 * Returns `most` of the indices 0 … length − 1, evenly spaced, including the first and the last.
 *
 * @param {number} length @param {number} most
 */
function sampled(length, most) {
  if (length <= most) return Array.from({ length }, (_, k) => k);
  return Array.from({ length: most }, (_, k) => Math.round((k * (length - 1)) / (most - 1)));
}
