/**
 * A plot of one value per step. The markers have a canvas of their own above the curve, so that moving the pointer does
 * not redraw the curve.
 *
 * @import {Scale} from "./scales.js"
 * @import {Signal} from "./signal.js"
 * @typedef {{
 *   signal: Signal, scale: Scale, origin: number, newest: number, epochSteps: number,
 *   shown: number | null, hovered: number | null,
 * }} Content  shown: the selected step, null for the newest
 */
import { createElement } from "../../elements.js";
import { ink } from "../../style/ink.js";
import { round } from "./scales.js";
import { whole } from "../../numbers_brief.js";

const LEFT = 46;
const RIGHT = 12;
const TOP = 18;
const BOTTOM = 22;
const LINE = 12; // pixels; smallest distance between two labels of the axis
const FEW = 12; // values; a line of at most this many is also drawn as points
const INK = "--line-0";
const FONT = "11px system-ui, sans-serif";

export class Plot {
  /** @param {(step: number | null, chosen: boolean) => void} pointed */
  constructor(pointed) {
    this.base = createElement("canvas.train-curves", { role: "img" });
    this.over = createElement("canvas.train-over", { "aria-hidden": "true" });
    this.element = createElement("div.train-area", this.base, this.over);
    /** @type {Content | null} */
    this.content = null;
    this.size = { width: 0, height: 0 };
    new ResizeObserver(() => this.resize()).observe(this.element);
    const step = (/** @type {PointerEvent | MouseEvent} */ event) => this.stepAt(event.offsetX);
    this.over.addEventListener("pointermove", (event) => pointed(step(event), false));
    this.over.addEventListener("pointerleave", () => pointed(null, false));
    this.over.addEventListener("click", (event) => pointed(step(event), true));
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.element;
    if (width === this.size.width && height === this.size.height) return;
    this.size = { width, height };
    for (const layer of [this.base, this.over]) {
      layer.width = Math.round(width * devicePixelRatio);
      layer.height = Math.round(height * devicePixelRatio);
    }
    if (this.content) this.draw(this.content);
  }

  /** @param {Content} content */
  draw(content) {
    this.content = content;
    const context = this.clean(this.base);
    if (!context) return;
    this.drawAxes(context, content);
    context.save();
    context.beginPath();
    context.rect(LEFT, TOP - 2, this.inner + 3, this.size.height - TOP - BOTTOM + 4);
    context.clip();
    this.drawRaw(context, content);
    this.drawSmooth(context, content);
    context.restore();
    this.point(content);
  }

  /** Draws the markers over the curves: the selected step and the pointer. @param {Content} content */
  point(content) {
    this.content = content;
    const context = this.clean(this.over);
    if (!context || this.count === 0) return;
    if (content.shown !== null) this.vertical(context, content.shown, ink("--accent"), []);
    if (content.hovered === null) return;
    this.vertical(context, content.hovered, ink("--ink-soft"), [2, 3]);
    const value = content.signal.values[content.hovered - content.origin - 1];
    if (value === undefined || !Number.isFinite(value)) return;
    context.fillStyle = ink(INK);
    this.dot(context, this.x(content.hovered), this.y(value), 3);
  }

  get inner() {
    return Math.max(1, this.size.width - LEFT - RIGHT);
  }

  get count() {
    return this.content ? this.content.newest - this.content.origin : 0;
  }

  /** @param {number} step */
  x(step) {
    return LEFT + ((step - (this.content?.origin ?? 0)) / Math.max(1, this.count)) * this.inner;
  }

  /** @param {number} value */
  y(value) {
    const height = this.size.height - TOP - BOTTOM;
    const place = this.content?.scale.place(value) ?? 0;
    return TOP + height * (1 - Math.min(1.02, Math.max(-0.02, place)));
  }

  /** @param {number} x */
  stepAt(x) {
    if (!this.content || this.count === 0) return null;
    const share = Math.min(1, Math.max(0, (x - LEFT) / this.inner));
    return this.content.origin + Math.round(share * this.count);
  }

  /** @param {HTMLCanvasElement} which */
  clean(which) {
    const context = which.getContext("2d");
    if (!context || !this.size.width) return null;
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    context.clearRect(0, 0, this.size.width, this.size.height);
    context.font = FONT;
    return context;
  }

  /** @param {CanvasRenderingContext2D} context @param {Content} content */
  drawAxes(context, content) {
    const floor = this.size.height - BOTTOM;
    context.lineWidth = 1;
    context.fillStyle = ink("--ink-soft");
    context.strokeStyle = ink("--hairline");
    context.textAlign = "right";
    context.textBaseline = "middle";
    let above = Infinity;
    for (const tick of content.scale.ticks) {
      const y = Math.round(this.y(tick.value)) + 0.5;
      if (y > above - LINE) continue; // the label would overlap the previous one
      above = y;
      stroke(context, LEFT, y, this.size.width - RIGHT, y);
      context.fillText(tick.text, LEFT - 8, y);
    }
    context.textBaseline = "top";
    const most = Math.max(1, Math.floor(this.inner / 56));
    const ticks = this.count ? round(content.origin, content.origin + this.count, most).filter(Number.isInteger) : [];
    for (const step of ticks) {
      const x = this.x(step);
      context.textAlign = x > this.size.width - RIGHT - 14 ? "right" : x < LEFT + 14 ? "left" : "center";
      const text = context.textAlign === "left" ? `step ${whole(step)}` : whole(step);
      context.fillText(text, context.textAlign === "right" ? this.size.width - RIGHT : x, floor + 7);
    }
    this.drawEpochs(context, content);
    context.strokeStyle = ink("--ink-soft");
    stroke(context, LEFT, floor + 0.5, this.size.width - RIGHT, floor + 0.5);
  }

  /** @param {CanvasRenderingContext2D} context @param {Content} content */
  drawEpochs(context, content) {
    if (!content.epochSteps) return;
    const epochs = Math.floor(this.count / content.epochSteps);
    const every = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 1e4, 1e5].find((k) => epochs / k <= this.inner / 48) ?? 1e6;
    context.textBaseline = "bottom";
    context.textAlign = "right";
    for (let epoch = every; epoch <= epochs; epoch += every) {
      const step = content.origin + epoch * content.epochSteps;
      this.vertical(context, step, ink("--ink-soft"), [1, 3]);
      context.fillText(epoch === every ? `epoch ${whole(epoch)}` : whole(epoch), this.x(step) + 1, TOP - 3);
    }
  }

  /** @param {CanvasRenderingContext2D} context @param {number} step @param {string} color @param {number[]} dash */
  vertical(context, step, color, dash) {
    const x = Math.round(this.x(step)) + 0.5;
    context.strokeStyle = color;
    context.setLineDash(dash);
    stroke(context, x, TOP, x, this.size.height - BOTTOM);
    context.setLineDash([]);
  }

  /**
   * Draws every value or, if a column of pixels covers several steps, their range.
   *
   * @param {CanvasRenderingContext2D} context @param {Content} content
   */
  drawRaw(context, content) {
    const { signal } = content;
    const columns = Math.ceil(this.inner);
    context.strokeStyle = ink(`${INK}-faint`);
    context.lineWidth = 1;
    context.beginPath();
    if (signal.length <= columns) {
      for (let k = 0; k < signal.length; k += 1) {
        context.lineTo(this.x(content.origin + k + 1), this.y(signal.values[k]));
      }
    } else {
      for (let column = 0; column < columns; column += 1) {
        const first = Math.floor((column * signal.length) / columns);
        const last = Math.floor(((column + 1) * signal.length) / columns);
        const [low, high] = signal.range(first, last);
        const x = this.x(content.origin + (first + last + 1) / 2);
        context.moveTo(x, this.y(low));
        context.lineTo(x, this.y(high) - 0.5);
      }
    }
    context.stroke();
  }

  /** @param {CanvasRenderingContext2D} context @param {Content} content */
  drawSmooth(context, content) {
    const { signal, origin } = content;
    context.strokeStyle = ink(INK);
    context.lineWidth = 1.75;
    context.lineJoin = "round";
    context.beginPath();
    for (const k of sampled(signal.length, Math.ceil(this.inner))) context.lineTo(this.x(origin + k + 1), this.y(signal.mean(k)));
    context.stroke();
    if (signal.length > FEW) return;
    context.fillStyle = ink(INK); // a line would hide how few values there are
    signal.values.forEach((value, k) => this.dot(context, this.x(origin + k + 1), this.y(value), 2));
  }

  /** @param {CanvasRenderingContext2D} context @param {number} x @param {number} y @param {number} radius */
  dot(context, x, y, radius) {
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.fill();
  }
}

/**
 * Returns `most` of the indices 0 … length − 1, evenly spaced, including the first and the last.
 *
 * @param {number} length @param {number} most
 */
export function sampled(length, most) {
  if (length <= most) return Array.from({ length }, (_, k) => k);
  return Array.from({ length: most }, (_, k) => Math.round((k * (length - 1)) / (most - 1)));
}

/** @param {CanvasRenderingContext2D} context @param {number} x0 @param {number} y0 @param {number} x1 @param {number} y1 */
function stroke(context, x0, y0, x1, y1) {
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
}
