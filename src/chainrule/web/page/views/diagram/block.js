/** One tensor of the network diagram: a caption, a canvas of its cells, and buttons to turn pages. */

import { button, createElement, setText } from "../../elements.js";
import { largestMagnitude, text, unravel } from "../../engine/tensor.js";
import { named } from "../../explain/naming.js";
import { formatNumber } from "../../explain/numbers.js";
import { inLectureMode } from "../../lecture_mode.js";
import { scaleOf } from "../../style/scale.js";
import { move } from "./keyboard.js";
import { paint } from "./paint.js";
import { Planes } from "./planes.js";
import { Tiling } from "./tiling.js";

/** @typedef {import("./stages.js").BlockSpec} BlockSpec */
/** @typedef {import("./planes.js").Room} Room */
/** @typedef {import("../../types.js").Trace} Trace */
/**
 * @typedef {{
 *   point(block: Block, flat: number): void, leave(block: Block): void, choose(block: Block, flat: number): void,
 *   speak(block: Block, flat: number): void, turned(): void,
 * }} BlockEvents  callbacks of a block
 */

export class Block {
  /** @type {Float64Array | Float32Array | Int32Array} */
  data = new Float64Array(0);
  /** @type {import("../../style/scale.js").Scale} */
  scale = { kind: "diverging", low: 0, high: 0 };
  cursor = 0;
  page = 0;
  #quiet = false; // whether a focus event must not select a cell

  /**
   * @param {BlockSpec} spec
   * @param {BlockEvents} events
   */
  constructor(spec, events) {
    this.spec = spec;
    this.events = events;
    this.size = createElement("span");
    this.canvas = createElement("canvas", {
      tabindex: 0,
      role: "application",
      "aria-roledescription": "map of values",
      "aria-describedby": "diagram-keys",
      "data-tensor": spec.tensor,
    });
    this.frame = createElement("div.tensor-cells", this.canvas);
    const caption = createElement("figcaption", spec.label, " ", this.size);
    this.element = createElement("figure", { class: `tensor ${spec.role}` }, caption, this.frame, this.#pager());
    this.#listen();
  }

  /** Shows the values of a trace. @param {Trace} trace */
  setTrace(trace) {
    const array = trace.values.get(this.spec.tensor);
    if (!array) return;
    this.data = array.data;
    const { fixed } = this.spec;
    this.scale = fixed ? { kind: "sequential", low: fixed[0], high: fixed[1] } : scaleOf(this.data, this.spec.scale);
    this.shape = array.shape;
    const sized = this.spec.role === "parameters";
    setText(this.size, array.shape.length ? (sized ? text(array.shape) : "") : formatNumber(this.data[0]));
    this.size.classList.toggle("one", !array.shape.length);
  }

  /** Lays out the planes in the given space. @param {Room} room */
  fit(room) {
    const isFirst = !this.planes;
    this.planes = new Planes(this.shape ?? [], room, this.spec.role);
    if (isFirst && this.spec.leads) this.page = this.planes.pageOf(largestMagnitude(this.data));
    this.turnTo(Math.min(this.page, this.planes.pages - 1));
  }

  /** @param {number} page */
  turnTo(page) {
    if (!this.planes) return;
    this.page = page;
    const content = this.planes.page(page);
    const density = globalThis.devicePixelRatio || 1;
    const whole = (/** @type {number} */ pixels) => Math.max(1, Math.round(pixels * density)) / density;
    this.tiling = new Tiling(content, whole(this.planes.gap), [content.cell, content.tall].map(whole));
    this.#resize(this.tiling, density);
    this.element.dataset.cell = String(this.tiling.cell);
    this.#describe(content.words, content.pages);
    this.#mark();
  }

  /**
   * Sets the size of the canvas if it differs; setting the same size would trigger a new layout of the page.
   * @param {Tiling} tiling @param {number} density
   */
  #resize({ width, height }, density) {
    const { canvas } = this;
    const [across, down] = [Math.round(width * density), Math.round(height * density)];
    if (canvas.width === across && canvas.height === down && canvas.style.width === `${width}px`) return;
    [canvas.width, canvas.height] = [across, down];
    [canvas.style.width, canvas.style.height] = [`${width}px`, `${height}px`];
  }

  /** Turns to the page that contains an element. @param {number} flat @returns {boolean} whether it turned */
  reveal(flat) {
    const page = this.planes?.pageOf(flat) ?? 0;
    if (page === this.page) return false;
    this.turnTo(page);
    this.paint();
    return true;
  }

  paint() {
    if (this.tiling) paint(this.canvas, this.tiling, this.data, this.scale);
  }

  /** Returns the name of a cell. @param {number} flat */
  nameOf(flat) {
    return named(this.spec.tensor, unravel(flat, this.shape ?? []));
  }

  #pager() {
    const turn = (/** @type {string} */ sign, /** @type {number} */ by, /** @type {string} */ word) =>
      button(sign, () => this.#turnBy(by), { class: "plain", "aria-label": `${this.spec.tensor}: ${word}` });
    this.words = createElement("span");
    this.pager = createElement("div.diagram-pager", turn("‹", -1, "previous page"), this.words, turn("›", 1, "next page"));
    return this.pager;
  }

  /** @param {number} by */
  #turnBy(by) {
    const pages = this.planes?.pages ?? 1;
    this.turnTo((this.page + by + pages) % pages);
    this.cursor = this.tiling?.tiles[0].base ?? 0;
    this.paint();
    this.events.turned();
  }

  /** @param {string} words @param {number} pages */
  #describe(words, pages) {
    const size = text(this.shape ?? []) || "one value";
    this.canvas.setAttribute("aria-label", `${this.spec.tensor}, ${size}${pages > 1 ? `, ${words}` : ""}`);
    setText(this.words, words);
    if (this.pager) this.pager.hidden = pages < 2;
  }

  /** Writes the names of classes next to the cells of a vector. */
  #mark() {
    this.frame.querySelector("ol")?.remove();
    const { marks } = this.spec;
    if (!marks || !this.tiling || this.tiling.tiles.length > 1 || marks.length !== this.data.length) return;
    const list = createElement("ol", { "aria-hidden": "true" }, ...marks.map((mark) => createElement("li", mark)));
    list.style.setProperty("--cell", `${this.tiling.cell}px`);
    this.frame.append(list);
  }

  #listen() {
    const { canvas, events } = this;
    const flatAt = (/** @type {PointerEvent} */ event) => this.tiling?.at(event.offsetX, event.offsetY) ?? -1;
    let under = -1; // the cell at pointerdown, because a click event has rounded coordinates
    canvas.addEventListener("pointermove", (event) => {
      const flat = flatAt(event);
      if (flat >= 0) events.point(this, flat);
    });
    canvas.addEventListener("pointerdown", (event) => {
      const flat = flatAt(event);
      under = flat;
      if (flat < 0) return;
      this.cursor = flat;
      events.point(this, flat);
    });
    canvas.addEventListener("pointerleave", () => events.leave(this));
    canvas.addEventListener("click", () => {
      if (under >= 0) events.choose(this, under);
    });
    canvas.addEventListener("focus", () => {
      if (canvas.matches(":focus-visible") && !this.#quiet) this.#go(this.#cursorHere());
    });
    canvas.addEventListener("blur", () => events.leave(this));
    canvas.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Moves the keyboard focus to a cell without highlighting it. @param {number} flat */
  restoreFocus(flat) {
    this.reveal(flat);
    this.cursor = flat;
    this.#quiet = true;
    this.canvas.focus({ preventScroll: true });
    this.#quiet = false;
  }

  /** Returns the cell of the keyboard cursor, or the first cell of the page if the cursor is on another page. */
  #cursorHere() {
    return this.tiling?.tileOf(this.cursor) ? this.cursor : (this.tiling?.tiles[0].base ?? 0);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.#press(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Handles a key. @param {string} key @returns {boolean} whether the key has an effect */
  #press(key) {
    if (!this.tiling) return false;
    const here = this.#cursorHere();
    if (key === "Enter" || key === " ") this.events.choose(this, here);
    else if (key === "PageUp" || key === "PageDown") {
      if (inLectureMode()) return false; // a presenter's clicker turns the page
      this.#turnKey(key === "PageUp" ? -1 : 1);
    } else {
      const next = move(this.tiling, here, key, this.planes?.gap ?? 0);
      if (next === null) return false;
      this.#go(next);
    }
    return true;
  }

  /** @param {number} by */
  #turnKey(by) {
    if ((this.planes?.pages ?? 1) < 2) return;
    this.#turnBy(by);
    this.#go(this.#cursorHere());
  }

  /** @param {number} flat */
  #go(flat) {
    this.cursor = flat;
    this.events.point(this, flat);
    this.events.speak(this, flat);
  }
}
