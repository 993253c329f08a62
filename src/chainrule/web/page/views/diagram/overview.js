/** The whole network as a thin bar if it is wider than its container: a mark per layer, and a frame around the visible part. */

import { createElement, createSvg } from "../../elements.js";

/** @typedef {import("./stage.js").StageView} StageView */
/** @typedef {import("./wires.js").Wire} Wire */

const HEIGHT = 9; // pixels of a mark
const DEPTH = 14; // pixels below the marks for all branches together
const KEYS = "Overview of the network: arrow keys move from layer to layer";

export class Overview {
  /** @type {StageView[]} */
  #stages = [];
  /** @type {Wire[]} */
  #wires = [];

  /** @param {HTMLElement} place  scrolls horizontally */
  constructor(place) {
    this.place = place;
    this.marks = createSvg("g", {});
    this.window = createSvg("rect", { class: "overview-window", y: 0.5, rx: 2 });
    this.svg = createSvg("svg", { "aria-hidden": "true" }, this.marks, this.window);
    this.element = createElement(
      "div",
      { class: "diagram-overview", role: "slider", tabindex: 0, "aria-label": KEYS, "aria-orientation": "horizontal", hidden: true },
      this.svg,
    );
    this.#listen();
  }

  /** @param {StageView[]} stages @param {Wire[]} wires */
  build(stages, wires) {
    this.#stages = stages;
    this.#wires = wires;
  }

  /** Draws the stages at their current positions; hides the bar if all of them are visible. */
  draw() {
    const { clientWidth, scrollWidth } = this.place;
    this.element.hidden = !clientWidth || scrollWidth <= clientWidth + 1;
    if (this.element.hidden) return;
    const scale = this.element.clientWidth / scrollWidth;
    const lanes = Math.max(1, ...this.#wires.map(({ lane }) => lane + 1));
    const x = new Map(this.#stages.map(({ stage, element }) => [stage.name, element.offsetLeft * scale]));
    const marks = this.#stages.map(({ stage, element, blocks }) => {
      const weights = blocks.some(({ spec }) => spec.role === "parameters");
      const width = Math.max(1.5, element.offsetWidth * scale - 1);
      const kind = weights ? "mark weights" : "mark";
      return createSvg("rect", { class: kind, "data-mark": stage.name, x: x.get(stage.name) ?? 0, y: 3, width, height: HEIGHT });
    });
    const lines = this.#wires.map(({ from, to, lane }) => {
      const deep = HEIGHT + 5 + (DEPTH * (lane + 1)) / lanes;
      const [start, finish] = [(x.get(from) ?? 0) + 3, (x.get(to) ?? 0) + 1];
      return createSvg("path", { class: "branch", d: `M${start} ${HEIGHT + 4}V${deep}H${finish}V${HEIGHT + 4}` });
    });
    this.marks.replaceChildren(...marks, ...lines);
    this.follow();
  }

  /** Moves the frame to the visible part. */
  follow() {
    if (this.element.hidden) return;
    const { clientWidth, scrollWidth, scrollLeft } = this.place;
    const scale = this.element.clientWidth / scrollWidth;
    this.window.setAttribute("x", String(scrollLeft * scale + 0.5));
    this.window.setAttribute("width", String(Math.max(8, clientWidth * scale - 1)));
    const visible = this.#stages.filter(({ element }) => {
      const middle = element.offsetLeft + element.offsetWidth / 2;
      return middle >= scrollLeft && middle <= scrollLeft + clientWidth;
    });
    const [first, last] = [visible[0], visible[visible.length - 1]].map((view) => view?.stage.name ?? "");
    const maximum = scrollWidth - clientWidth;
    this.element.setAttribute("aria-valuemin", "0");
    this.element.setAttribute("aria-valuemax", String(maximum));
    this.element.setAttribute("aria-valuenow", String(Math.round(Math.min(scrollLeft, maximum))));
    this.element.setAttribute("aria-valuetext", `${first} to ${last}, of ${this.#stages.length} parts`);
  }

  #listen() {
    const { element, place } = this;
    let held = 0; // pixels from the pointer to the middle of the frame while dragging
    const steer = (/** @type {PointerEvent} */ event) => {
      const x = event.clientX - element.getBoundingClientRect().left;
      return (x * place.scrollWidth) / element.clientWidth;
    };
    element.addEventListener("pointerdown", (event) => {
      const middle = place.scrollLeft + place.clientWidth / 2;
      const at = steer(event);
      held = Math.abs(at - middle) < place.clientWidth / 2 ? at - middle : 0;
      element.setPointerCapture(event.pointerId);
      this.#scrollTo(at - held - place.clientWidth / 2);
    });
    element.addEventListener("pointermove", (event) => {
      if (element.hasPointerCapture(event.pointerId)) this.#scrollTo(steer(event) - held - place.clientWidth / 2);
    });
    element.addEventListener("keydown", (event) => this.#key(event));
    place.addEventListener("scroll", () => this.follow(), { passive: true });
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const left = this.#target(event.key);
    if (left === null) return;
    event.preventDefault();
    this.#scrollTo(left);
  }

  /** @param {number} left */
  #scrollTo(left) {
    this.place.scrollLeft = left;
    this.follow();
  }

  /** Returns the scroll position for a key; null for any other key. @param {string} key */
  #target(key) {
    const { scrollLeft, clientWidth, scrollWidth } = this.place;
    const starts = this.#stages.map(({ element }) => element.offsetLeft - 16);
    const before = starts.filter((start) => start < scrollLeft - 1);
    if (key === "ArrowRight" || key === "ArrowUp") return starts.find((start) => start > scrollLeft + 1) ?? scrollWidth;
    if (key === "ArrowLeft" || key === "ArrowDown") return before[before.length - 1] ?? 0;
    if (key === "PageDown") return scrollLeft + 0.9 * clientWidth;
    if (key === "PageUp") return scrollLeft - 0.9 * clientWidth;
    return { Home: 0, End: scrollWidth }[key] ?? null;
  }
}
