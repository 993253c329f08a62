import { createElement } from "../../../elements.js";
import { ink } from "../../../style/ink.js";

/** A waterfall chart of the partial sums: the bar of a term extends from the sum before it to the sum after it. */

const HEIGHT = 72; // pixels
/** Largest width of a bar in pixels. */
const MAX_BAR = 72;

export class Waterfall {
  /** @param {import("../sequence.js").Sequence} sequence @param {(done: number) => void} onSelect */
  constructor(sequence, onSelect) {
    this.sequence = sequence;
    this.low = 0;
    this.high = 0;
    this.done = 0;
    this.stepping = false;
    const words = `partial sums over ${sequence.count} terms`;
    this.canvas = createElement("canvas.computation-waterfall", { role: "img", "aria-label": words });
    this.element = createElement("div.computation-waterfall-room", this.canvas);
    this.canvas.addEventListener("pointerdown", (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      onSelect(this.#at(event));
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (event.buttons & 1) onSelect(this.#at(event));
    });
    new ResizeObserver(() => this.draw()).observe(this.element);
  }

  get sums() {
    return this.sequence.sums;
  }

  /** @param {number} done @param {boolean} stepping */
  show(done, stepping) {
    [this.low, this.high] = extremes(this.sums);
    this.done = done;
    this.stepping = stepping;
    this.draw();
  }

  draw() {
    const width = this.element.clientWidth;
    const brush = this.canvas.getContext("2d");
    if (!width || !brush) return;
    const sharp = Math.max(1, globalThis.devicePixelRatio || 1);
    if (this.canvas.width !== Math.round(width * sharp)) {
      this.canvas.width = Math.round(width * sharp);
      this.canvas.height = Math.round(HEIGHT * sharp);
    }
    brush.setTransform(sharp, 0, 0, sharp, 0, 0);
    brush.clearRect(0, 0, width, HEIGHT);
    this.#bars(brush, width, this.sums.length - 1, ink("--hairline"), ink("--hairline"));
    this.#bars(brush, width, this.done, ink("--positive"), ink("--negative"));
    this.#line(brush, width, this.#y(0), ink("--hairline-strong"), []);
    this.#line(brush, width, this.#y(this.sums[this.sums.length - 1]), ink("--ink-soft"), [3, 3]);
    if (this.stepping) this.#now(brush, width, ink("--accent"));
  }

  /** @param {CanvasRenderingContext2D} brush @param {number} width @param {number} many @param {string} up
   * @param {string} down */
  #bars(brush, width, many, up, down) {
    const slot = this.#slot(width);
    const gap = slot > 4 ? 1 : 0;
    for (let at = 0; at < many; at += 1) {
      const [from, to] = [this.#y(this.sums[at]), this.#y(this.sums[at + 1])];
      if (from === to) continue;
      brush.fillStyle = to < from ? up : down;
      brush.fillRect(at * slot, Math.min(from, to), Math.max(1, slot - gap), Math.max(1, Math.abs(to - from)));
    }
  }

  /** @param {CanvasRenderingContext2D} brush @param {number} width @param {number} y @param {string} color
   * @param {number[]} dashes */
  #line(brush, width, y, color, dashes) {
    brush.strokeStyle = color;
    brush.lineWidth = 1;
    brush.setLineDash(dashes);
    brush.beginPath();
    brush.moveTo(0, y);
    brush.lineTo(width, y);
    brush.stroke();
    brush.setLineDash([]);
  }

  /** @param {CanvasRenderingContext2D} brush @param {number} width @param {string} color */
  #now(brush, width, color) {
    const slot = this.#slot(width);
    brush.fillStyle = color;
    brush.beginPath();
    brush.arc(Math.max(5, Math.min(width - 5, this.done * slot)), this.#y(this.sums[this.done]), 5, 0, 2 * Math.PI);
    brush.fill();
  }

  /** @param {number} width */
  #slot(width) {
    return Math.min(MAX_BAR, width / (this.sums.length - 1));
  }

  /** @param {number} value */
  #y(value) {
    return 8 + ((this.high - value) / (this.high - this.low || 1)) * (HEIGHT - 16);
  }

  /** @param {PointerEvent} event */
  #at(event) {
    const box = this.canvas.getBoundingClientRect();
    const place = Math.ceil((event.clientX - box.left) / this.#slot(box.width));
    return Math.max(0, Math.min(this.sums.length - 1, place));
  }
}

/** @param {number[]} sums */
function extremes(sums) {
  let [low, high] = [0, 0];
  for (const sum of sums) {
    if (sum < low) low = sum;
    if (sum > high) high = sum;
  }
  return [low, high];
}
