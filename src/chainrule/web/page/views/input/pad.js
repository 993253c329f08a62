/** The drawing pad, for mouse, finger or pen. Before the first stroke it shows the network's input. */

import { createElement } from "../../elements.js";
import { onTheme } from "../../theme.js";
import { sequential } from "../../style/scale.js";
import { WORKING_SIZE } from "./digits.js";
import { blank } from "./gray.js";
import { pictureCanvas } from "../../figures/picture.js";

/** @typedef {import("../../types.js").Picture} Picture */
/** @typedef {{x: number, y: number}} Point */

const STROKE = 13; // pixels of the working image; the width of strokes in MNIST
const SHARP = 2; // pixels of the pad per pixel of the working image

export class Pad {
  /** @type {Point[][]} */
  strokes = [];
  /** @type {{picture: Picture, shape: number[]} | null} */
  #shown = null;
  #pointer = -1;
  #waiting = false;

  /** @param {(ink: import("./gray.js").Gray) => void} drawn  called with the drawing, from 0 to 1 */
  constructor(drawn) {
    this.drawn = drawn;
    this.canvas = createElement("canvas", {
      class: "pad-canvas",
      width: WORKING_SIZE * SHARP,
      height: WORKING_SIZE * SHARP,
      role: "img",
      "aria-label": "Pad to draw a digit on with mouse, finger or pen",
    });
    this.raster = createElement("canvas", { width: WORKING_SIZE, height: WORKING_SIZE });
    this.canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    this.canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const end of ["pointerup", "pointercancel"]) this.canvas.addEventListener(end, () => (this.#pointer = -1));
    onTheme(() => this.paint());
  }

  /** Shows an image that was not drawn here. @param {Picture} picture @param {number[]} shape */
  show(picture, shape) {
    this.#shown = { picture, shape };
    this.strokes = [];
    this.paint();
  }

  clear() {
    this.strokes = [];
    this.#shown = null;
    this.paint();
  }

  paint() {
    const context = this.canvas.getContext("2d");
    if (!context) return;
    const { width, height } = this.canvas;
    context.fillStyle = `rgb(${sequential(0).join()})`;
    context.fillRect(0, 0, width, height);
    context.imageSmoothingEnabled = false;
    if (this.#shown) context.drawImage(pictureCanvas(this.#shown.picture.x, this.#shown.shape), 0, 0, width, height);
    trace(context, this.strokes, SHARP, `rgb(${sequential(1).join()})`);
  }

  /** @param {PointerEvent} event */
  #begin(event) {
    if (this.#pointer >= 0 || event.button !== 0) return;
    event.preventDefault();
    this.#pointer = event.pointerId;
    this.canvas.setPointerCapture(event.pointerId);
    this.#shown = null;
    this.strokes.push([this.#pointOf(event)]);
    this.#changed();
  }

  /** @param {PointerEvent} event */
  #move(event) {
    if (event.pointerId !== this.#pointer) return;
    const events = event.getCoalescedEvents?.() ?? [];
    const stroke = this.strokes[this.strokes.length - 1];
    stroke.push(...(events.length ? events : [event]).map((sample) => this.#pointOf(sample)));
    this.#changed();
  }

  /** @param {PointerEvent} event @returns {Point} */
  #pointOf(event) {
    const box = this.canvas.getBoundingClientRect();
    const scale = WORKING_SIZE / box.width;
    return { x: (event.clientX - box.left) * scale, y: (event.clientY - box.top) * scale };
  }

  /** Repaints, at most once per frame of the screen. */
  #changed() {
    if (this.#waiting) return;
    this.#waiting = true;
    requestAnimationFrame(() => {
      this.#waiting = false;
      this.paint();
      this.#notify();
    });
  }

  #notify() {
    const context = this.raster.getContext("2d", { willReadFrequently: true });
    if (!context) return;
    context.clearRect(0, 0, WORKING_SIZE, WORKING_SIZE);
    trace(context, this.strokes, 1, "#000000");
    const { data } = context.getImageData(0, 0, WORKING_SIZE, WORKING_SIZE);
    const ink = blank(WORKING_SIZE, WORKING_SIZE);
    for (let i = 0; i < ink.data.length; i += 1) ink.data[i] = data[4 * i + 3] / 255;
    if (ink.data.some((share) => share > 0.5)) this.drawn(ink);
  }
}

/**
 * Draws strokes as smooth curves through the midpoints between their points.
 * @param {CanvasRenderingContext2D} context @param {Point[][]} strokes @param {number} scale @param {string} color
 */
function trace(context, strokes, scale, color) {
  context.save();
  context.scale(scale, scale);
  context.lineWidth = STROKE;
  context.lineCap = "round";
  context.lineJoin = "round";
  context.strokeStyle = color;
  context.beginPath();
  for (const points of strokes) {
    const [first] = points;
    context.moveTo(first.x, first.y);
    for (let i = 1; i < points.length - 1; i += 1) {
      const [here, next] = [points[i], points[i + 1]];
      context.quadraticCurveTo(here.x, here.y, (here.x + next.x) / 2, (here.y + next.y) / 2);
    }
    const last = points[points.length - 1];
    context.lineTo(last.x, last.y + (points.length === 1 ? 0.01 : 0));
  }
  context.stroke();
  context.restore();
}
