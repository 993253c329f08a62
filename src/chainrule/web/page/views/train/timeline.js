/**
 * The timeline: a slider over all steps of the open history, with marks at the steps with stored frames. While dragging,
 * the next step is requested once the previous one is shown, or after a time limit.
 *
 * @import {Mark} from "../../types.js"
 * @typedef {{
 *   origin: number, newest: number, shown: number | null, marks: Mark[], sparse: boolean, words(step: number): string,
 * }} Times  shown: the selected step, null for the newest; sparse: only marked steps can be shown
 */
import { createElement } from "../../elements.js";
import { whole } from "../../numbers_brief.js";

const WAIT = 400; // milliseconds; longest wait for the previous step while dragging

export class Timeline {
  /** @param {(step: number | null) => void} go */
  constructor(go) {
    this.go = go;
    const name = "Timeline: the shown training step";
    this.slider = createElement("input", { type: "range", step: 1, class: "train-slider", "aria-label": name });
    this.marks = createElement("div.train-marks", { "aria-hidden": "true" });
    this.first = createElement("span.train-end", { "aria-hidden": "true" });
    this.last = createElement("span.train-end", { "aria-hidden": "true" });
    const track = createElement("div.train-track", this.marks, this.slider);
    this.element = createElement("div.train-time", this.first, track, this.last);
    /** @type {Times} */
    this.times = { origin: 0, newest: 0, shown: null, marks: [], sparse: false, words: String };
    this.marked = "";
    this.held = false;
    this.asked = { at: -WAIT, waiting: 0 };
    this.listen();
  }

  listen() {
    const { slider } = this;
    slider.addEventListener("pointerdown", () => (this.held = true));
    for (const name of ["pointerup", "pointercancel", "blur"]) {
      slider.addEventListener(name, () => {
        this.held = false;
        this.show(this.times);
      });
    }
    slider.addEventListener("input", () => this.choose(Number(slider.value)));
    slider.addEventListener("keydown", (event) => this.key(event));
  }

  /** @param {Times} times */
  show(times) {
    this.times = times;
    const { slider } = this;
    slider.min = String(times.origin);
    slider.max = String(Math.max(times.newest, times.origin));
    slider.disabled = times.newest === times.origin;
    if (!this.held && !this.asked.waiting) slider.value = String(times.shown ?? times.newest);
    this.first.textContent = whole(times.origin);
    this.last.textContent = whole(times.newest);
    this.say();
    this.drawMarks();
  }

  /** Called when the requested step is shown; requests the next one while dragging. */
  arrived() {
    this.asked.at = -WAIT;
    if (this.asked.waiting) this.ask();
  }

  say() {
    const step = Number(this.slider.value);
    const { origin, newest } = this.times;
    this.slider.setAttribute("aria-valuetext", this.times.words(step));
    this.slider.style.setProperty("--share", String((step - origin) / Math.max(1, newest - origin)));
  }

  drawMarks() {
    const { origin, newest, marks } = this.times;
    const within = marks.filter(({ step }) => step >= origin && step <= newest);
    const text = within.map(({ step, words }) => `${step} ${words}`).join() + newest;
    if (text === this.marked) return;
    this.marked = text;
    this.marks.replaceChildren(
      ...within.map(({ step, words }) => {
        const mark = createElement("span", { title: words });
        mark.style.setProperty("--share", String((step - origin) / Math.max(1, newest - origin)));
        return mark;
      }),
    );
  }

  /** @param {number} step */
  choose(step) {
    const selectedStep = this.times.sparse ? nearest(this.times.marks, step) : step;
    this.slider.value = String(selectedStep);
    this.say();
    if (this.asked.waiting) return; // the pending request will read the slider's new position
    this.asked.waiting = setTimeout(() => this.ask(), Math.max(0, this.asked.at + WAIT - performance.now()));
  }

  ask() {
    clearTimeout(this.asked.waiting);
    this.asked = { at: performance.now(), waiting: 0 };
    const step = Number(this.slider.value);
    this.go(step >= this.times.newest ? null : step);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const target = this.target(event.key, Number(this.slider.value));
    if (target === null) return;
    event.preventDefault();
    event.stopPropagation();
    const { origin, newest } = this.times;
    this.choose(Math.min(newest, Math.max(origin, target)));
  }

  /** Returns the step to go to for a key, or null. @param {string} key @param {number} step */
  target(key, step) {
    const { origin, newest, marks, sparse } = this.times;
    if (key === "Home") return origin;
    if (key === "End") return newest;
    const single = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[key];
    const far = { PageDown: -1, PageUp: 1 }[key];
    if (single !== undefined && !sparse) return step + single;
    const direction = single ?? far;
    if (direction === undefined) return null;
    if (!sparse) return step + direction * Math.max(1, Math.round((newest - origin) / 10));
    const beyond = marks.map((mark) => mark.step).filter((candidate) => (candidate - step) * direction > 0);
    return beyond.length === 0 ? step : direction > 0 ? Math.min(...beyond) : Math.max(...beyond);
  }
}

/** @param {Mark[]} marks @param {number} step */
function nearest(marks, step) {
  const steps = marks.map((mark) => mark.step);
  return steps.reduce((best, candidate) => (Math.abs(candidate - step) < Math.abs(best - step) ? candidate : best), steps[0] ?? step);
}
