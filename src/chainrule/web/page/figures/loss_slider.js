/**
 * A slider that changes a number, and the loss over this number, with the gradient as the slope of a tangent.
 *
 * @typedef {import("../types.js").Nudge} Nudge
 * @typedef {import("../types.js").Trace} Trace
 */

import { LossOf } from "../engine/nudge.js";
import { placeOf } from "../explain/naming.js";
import { distinct, formatNumber } from "../explain/numbers.js";
import { button, createElement, createSvg } from "../elements.js";
import { axis, dot, label, polyline, segment } from "./drawing.js";

const [WIDTH, HEIGHT, EDGE, POINTS] = [560, 220, 28, 48];
const MARGIN = 0.05; // how far the tangent leaves the range of the losses, as a fraction of it
const [SLICE, REST] = [8, 8]; // milliseconds of computation, and of the pause after it

/**
 * Returns the drawing, the slider and its words, and the loss as a function of the number.
 * @param {Trace} trace @param {string} cell @param {number} slope  the gradient @param {(change: Nudge | null) => void} nudge
 * @returns {{elements: Element[], loss: LossOf}}
 */
export function lossSlider(trace, cell, slope, nudge) {
  const { tensor, flat, array } = /** @type {NonNullable<ReturnType<typeof placeOf>>} */ (placeOf(trace, cell));
  const value = array.data[flat];
  const loss = new LossOf(trace, tensor, flat);
  const reach = reachOf(array.data, value);
  const drawing = new Drawing(loss, value, slope, reach);
  const slider = createElement("input", { type: "range", min: -1, max: 1, step: 0.005, value: 0, "aria-label": `value of ${cell}` });
  const words = createElement("output.computation-nudge-words");
  const update = () => {
    const now = value + Number(slider.value) * reach;
    const at = loss.at(now);
    drawing.point(now, at);
    words.textContent =
      `${cell} = ${distinct(now, value)}: loss ${distinct(at, drawing.start)}` +
      (now === value ? "" : `, changed by ${formatNumber(at - drawing.start)}; the gradient predicts ${formatNumber(slope * (now - value))}`);
    slider.setAttribute("aria-valuetext", words.textContent);
  };
  slider.addEventListener("input", () => {
    update();
    nudge(Number(slider.value) ? { cell, tensor, flat, value: value + Number(slider.value) * reach } : null);
  });
  const reset = button("Reset", () => {
    slider.value = "0";
    slider.dispatchEvent(new Event("input"));
  });
  update();
  return { elements: [drawing.element, createElement("div.computation-nudge-row", slider, reset), words], loss };
}

/** Returns the range of the slider: the larger of the value and the root mean square of its tensor. @param {ArrayLike<number>} data @param {number} value */
function reachOf(data, value) {
  let squares = 0;
  for (let i = 0; i < data.length; i += 1) squares += data[i] ** 2;
  return Math.max(Math.abs(value), Math.sqrt(squares / data.length)) || 1;
}

/** The curve of the loss over one number, its tangent, and the point of the slider. */
class Drawing {
  /** @param {LossOf} loss @param {number} value @param {number} slope @param {number} reach */
  constructor(loss, value, slope, reach) {
    this.loss = loss;
    this.value = value;
    this.slope = slope;
    this.reach = reach;
    /** @type {number[]} */
    this.losses = [];
    /** @type {[number, number]} */
    this.now = [value, loss.at(value)];
    this.start = this.now[1];
    this.element = createSvg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "computation-curve", role: "img", "aria-label": "loss over this value, with its tangent" });
    this.compute();
  }

  /** Computes points for a few milliseconds, then yields to the page. */
  compute() {
    const end = performance.now() + SLICE;
    while (this.losses.length <= POINTS && performance.now() < end) {
      this.losses.push(this.loss.at(this.x(this.losses.length)));
    }
    this.draw();
    if (this.losses.length <= POINTS) setTimeout(() => this.compute(), REST);
  }

  /** The value at a point of the curve. @param {number} at */
  x(at) {
    return this.value + ((2 * at) / POINTS - 1) * this.reach;
  }

  /** @param {number} value @param {number} loss */
  point(value, loss) {
    this.now = [value, loss];
    this.draw();
  }

  draw() {
    const finite = [...this.losses, this.start, this.now[1]].filter(Number.isFinite);
    const [low, high] = [Math.min(...finite), Math.max(...finite)];
    const span = high - low || 1;
    const across = axis(this.value - this.reach, this.value + this.reach, EDGE, WIDTH - EDGE);
    const up = axis(low, high, HEIGHT - EDGE, EDGE);
    const ends = [low - MARGIN * span, high + MARGIN * span].map((loss) => (loss - this.start) / (this.slope || Number.MIN_VALUE));
    const [left, right] = [this.value + Math.max(-this.reach, Math.min(...ends)), this.value + Math.min(this.reach, Math.max(...ends))];
    const tangent = (/** @type {number} */ value) => up(this.start + this.slope * (value - this.value));
    this.element.replaceChildren(
      segment("computation-axis", EDGE, HEIGHT - EDGE, WIDTH - EDGE, HEIGHT - EDGE),
      label(`loss L, from ${formatNumber(low)} to ${formatNumber(high)}`, EDGE, 16),
      polyline("computation-line", this.losses.map((loss, at) => [across(this.x(at)), up(loss)])),
      segment("computation-tangent", across(left), tangent(left), across(right), tangent(right)),
      label(`slope = ${formatNumber(this.slope)}`, WIDTH - EDGE, 16, "end"),
      label(formatNumber(this.value - this.reach), EDGE, HEIGHT - 8),
      label(formatNumber(this.value + this.reach), WIDTH - EDGE, HEIGHT - 8, "end"),
      dot("computation-was", across(this.value), up(this.start), 5),
      dot("computation-point", across(this.now[0]), up(this.now[1]), 6),
    );
  }
}
