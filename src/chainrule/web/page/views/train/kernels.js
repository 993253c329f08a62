/**
 * The kernels of every convolution during training: the weights at the shown step, their change in the previous step, or
 * their change since the start.
 *
 * @import {App, Description, Frame, TrainingState} from "../../types.js"
 * @import {Weights} from "./kernel_map.js"
 * @typedef {"weights" | "step" | "start"} Mode
 */
import { button, createElement } from "../../elements.js";
import { formatNumber } from "../../explain/numbers.js";
import { diverging } from "../../style/scale.js";
import { KernelMap } from "./kernel_map.js";
import { whole } from "../../numbers_brief.js";
import { brief } from "./words.js";

const CHANGED = "the change of this step";
const MODES = /** @type {const} */ ([
  ["weights", "weights", "the current weights"],
  ["step", "Δ this step", CHANGED],
  ["start", "Δ since start", "the change since the start"],
]);

export class Kernels {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    /** @type {Mode} */
    this.mode = "weights";
    /** @type {HTMLButtonElement[]} */
    this.choices = [];
    this.sparse = false;
    const name = "Blue: below zero, orange: above";
    this.legend = createElement("canvas", { class: "train-scale", width: 65, height: 1, role: "img", "aria-label": name });
    this.note = createElement("p", { class: "train-note", "aria-live": "polite" });
    this.rows = convolutions(app.description).map((weights) => this.row(weights));
    const all = createElement("div", { class: "train-kernel-rows" }, ...this.rows.map((row) => row.element));
    this.element = createElement("section", { class: "train-kernels" }, this.head(), all, this.note);
    this.element.hidden = this.rows.length === 0;
    this.drawLegend();
    /** @type {{frame: Frame | null, other: Frame | null}} */
    this.now = { frame: null, other: null };
    /** @type {{frame: Frame, other: Frame | null} | null} */
    this.drawn = null;
    /** @type {{cell: string, at: number} | null} the weight at the pointer, and its offset in the parameters */
    this.named = null;
    this.history = "";
    this.origin = 0;
    this.busy = false;
  }

  head() {
    const title = createElement("h3", { id: "train-kernels" }, "Kernels");
    const choices = MODES.map(([mode, text, words]) => this.choice(mode, text, words));
    const modes = createElement("div", { class: "switch", role: "group", "aria-labelledby": title.id }, ...choices);
    return createElement("div", { class: "train-head" }, title, this.legend, modes);
  }

  /** @param {Mode} mode @param {string} text @param {string} words */
  choice(mode, text, words) {
    const choose = () => {
      this.mode = mode;
      this.choose();
      void this.refresh();
    };
    const control = button(text, choose, { title: words, value: mode });
    this.choices.push(control);
    return control;
  }

  choose() {
    for (const button of this.choices) {
      button.disabled = button.value === "step" && this.sparse;
      if (button.value === "step") button.title = this.sparse ? "the previous step is not in this file" : CHANGED;
      if (button.disabled && this.mode === "step") this.mode = "weights";
    }
    for (const button of this.choices) button.setAttribute("aria-pressed", String(button.value === this.mode));
  }

  /** @param {Weights} weights */
  row(weights) {
    const top = createElement("span", { class: "train-number" });
    const caption = createElement("figcaption", {}, createElement("span", { class: "train-name" }, weights.name), top);
    const map = new KernelMap(weights, (index, clicked) => this.pointed(weights, map, index, clicked));
    const [filters, inputs, height, width] = weights.shape;
    map.canvas.setAttribute("role", "application"); // it takes the arrow keys
    map.canvas.setAttribute(
      "aria-label",
      `Kernels of ${weights.name}: ${filters} filters in columns, ${inputs} input channels in rows, ` +
        `${height} by ${width} weights each. Arrow keys move between weights, Enter shows how a weight is computed.`,
    );
    const notes = map.omission ? [createElement("p", { class: "train-note" }, map.omission)] : [];
    const element = createElement("figure", {}, caption, map.canvas, ...notes);
    return { element, map, top, weights };
  }

  /**
   * Shows the kernels of a frame.
   *
   * @param {Frame} frame @param {TrainingState | null} state  of the frame's history
   */
  show(frame, state) {
    const { history = "", origin = 0, sparse = false } = state ?? {};
    if (history !== this.history || origin !== this.origin) this.now.other = null;
    this.history = history;
    this.now.frame = frame;
    this.origin = origin;
    this.sparse = sparse;
    this.choose();
    void this.refresh();
  }

  /** Fetches the frame to compare with, one request at a time, and draws. */
  async refresh() {
    if (this.busy || !this.now.frame) return;
    this.busy = true;
    try {
      for (let drawn = null; drawn !== this.contentKey(); ) {
        drawn = this.contentKey();
        const { frame } = this.now;
        const other = await this.compared(frame);
        if (this.element.checkVisibility()) this.draw(frame, other);
      }
    } catch {
      this.note.textContent = "The step for comparison could not be loaded.";
    } finally {
      this.busy = false;
    }
  }

  /** Draws the color scale from negative to positive. */
  drawLegend() {
    const context = this.legend.getContext("2d");
    if (!context) return;
    const { width } = this.legend;
    const image = context.createImageData(width, 1);
    for (let x = 0; x < width; x += 1) image.data.set([...diverging((2 * x) / (width - 1) - 1), 255], 4 * x);
    context.putImageData(image, 0, 0);
  }

  /** Redraws for another theme. */
  recolored() {
    this.drawLegend();
    if (this.drawn) this.draw(this.drawn.frame, this.drawn.other);
  }

  contentKey() {
    return `${this.mode} ${this.now.frame?.step}`;
  }

  /** @param {Frame | null} frame @returns {Promise<Frame | null>} */
  async compared(frame) {
    if (!frame || this.mode === "weights") return null;
    const step = this.mode === "start" ? this.origin : Math.max(this.origin, frame.step - 1);
    if (step === frame.step) return frame;
    if (this.now.other?.step === step) return this.now.other;
    return (this.now.other = await this.app.source.frame(step));
  }

  /** @param {Frame | null} frame @param {Frame | null} other */
  draw(frame, other) {
    if (!frame) return;
    this.drawn = { frame, other };
    this.say();
    for (const { map, top, weights } of this.rows) {
      const values = frame.parameters.slice(weights.from, weights.to);
      if (other) values.forEach((value, k) => (values[k] = value - (other.parameters[weights.from + k] ?? 0)));
      const strongest = rounded(values.reduce((most, value) => Math.max(most, Math.abs(value)), 0));
      map.draw({ values, top: strongest || 1, diverging });
      top.textContent = strongest ? `± ${brief(strongest)}` : "no change";
    }
  }

  /** @param {Weights} weights @param {KernelMap} map @param {number[] | null} index @param {boolean} clicked */
  pointed(weights, map, index, clicked) {
    const cell = index && `${weights.name}[${index.join(",")}]`;
    this.named = index && cell ? { cell, at: weights.from + map.place(index) } : null;
    if (clicked && cell) this.app.go({ cell });
    this.app.hover(cell);
    this.say();
  }

  /** Shows the value of the weight at the pointer. */
  say() {
    if (!this.named || !this.drawn) {
      this.note.textContent = "";
      return;
    }
    const { at, cell } = this.named;
    const { frame, other } = this.drawn;
    const value = frame.parameters[at] ?? NaN;
    const change = value - (other?.parameters[at] ?? 0);
    const changed = other ? `, changed by ${formatNumber(change)} since step ${whole(other.step)}` : "";
    this.note.textContent = `${cell} = ${formatNumber(value)}${changed}`;
  }
}

/** Returns the kernels in the order of the layers. @param {Description} description @returns {Weights[]} */
function convolutions(description) {
  const kernels = description.plan.forward
    .filter((operation) => operation.name === "cross_correlate")
    .map((operation) => operation.reads[1]);
  return kernels.flatMap((tensor) => {
    const place = tensor && description.layout[tensor.name];
    return place ? [{ name: tensor.name, shape: tensor.shape, from: place[0], to: place[1] }] : [];
  });
}

/** Rounds up to 1, 2, 5, 10 …, so that the scale does not flicker. @param {number} value */
function rounded(value) {
  if (!(value > 0)) return 0;
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 2, 5].find((digit) => digit * power >= value) ?? 10);
}
