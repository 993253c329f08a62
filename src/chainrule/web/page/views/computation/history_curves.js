import { ravel } from "../../engine/tensor.js";
import { gradientName } from "../../engine/interpreter.js";
import { layered, parted } from "../../explain/naming.js";
import { formatNumber } from "../../explain/numbers.js";
import { createElement, createSvg } from "../../elements.js";
import { axis, dot, polyline, segment } from "../../figures/drawing.js";
import { whole } from "../../numbers_brief.js";
import { baseOf } from "./relatives.js";

/**
 * The history of one element of a parameter: small curves of its value, gradient and moments over the stored steps. A
 * click goes to the nearest stored step.
 *
 * @typedef {import("../../types.js").Past} Past
 * @typedef {import("./stage/stage.js").PanelContext} PanelContext
 * @typedef {{name: string, steps: number[], values: number[]}} Curve
 */

const [WIDTH, HEIGHT, EDGE] = [96, 32, 4];
const FEWEST = 8; // points of a curve
const RETRY = 2000; // milliseconds until newly measured steps are requested

/**
 * Returns an element that is filled once the history is loaded; null if the cell is not a parameter or part of its update.
 * @param {PanelContext} context @returns {HTMLElement | null}
 */
export function historyCurves(context) {
  const { explanation, trace } = context;
  const { tensor, index } = parted(explanation.cell);
  const { layer, rest } = layered(tensor);
  const name = `${layer ? `${layer}.` : ""}${baseOf(rest)}`;
  const shape = trace.description.shapes[name];
  if (!context.past || shape?.length !== index.length || !trace.values.has(gradientName(name))) return null;
  const shown = /^d|\.g$/u.test(rest) ? "gradient" : rest.slice(baseOf(rest).length + 1);
  const element = createElement("div.computation-past");
  void fill(element, context, name, ravel(index, shape), shown);
  return element;
}

/** @param {HTMLElement} element @param {PanelContext} context @param {string} name @param {number} flat @param {string} shown */
async function fill(element, context, name, flat, shown) {
  const past = await context.past?.(name, flat).catch(() => null); // a banner reports the problem with the server
  if (!past) return;
  if (!element.contains(document.activeElement)) {
    element.replaceChildren(...curvesOf(past, shown).map((curve) => new Small(curve, context).element));
  }
  if (past.growing) setTimeout(() => element.isConnected && fill(element, context, name, flat, shown), RETRY);
}

/** Returns the curve of the value, and the curves that belong to the explained cell. @param {Past} past @param {string} shown @returns {Curve[]} */
function curvesOf({ steps, values, moments, gradient_steps, gradients }, shown) {
  const curves = [
    shownIndex("value", steps, values),
    shownIndex("gradient", gradient_steps, gradients),
    ...Object.entries(moments).map(([name, series]) => shownIndex(name, steps, series)),
  ];
  const shownCurves = shown === "update" ? curves : curves.filter(({ name }) => name === "value" || name === (shown || "gradient"));
  return shownCurves.filter((curve) => curve.steps.length >= FEWEST);
}

/** @param {string} name @param {number[]} steps @param {(number | null)[]} values @returns {Curve} */
function shownIndex(name, steps, values) {
  const at = values.flatMap((value, k) => (value === null ? [] : [k]));
  return { name, steps: at.map((k) => steps[k]), values: at.map((k) => Number(values[k])) };
}

/** One curve, with the keys of a slider: arrow keys select a step, Enter goes to it. */
class Small {
  /** @param {Curve} curve @param {PanelContext} context */
  constructor({ name, steps, values }, context) {
    this.name = name;
    this.steps = steps;
    this.values = values;
    this.go = context.goTo;
    this.now = context.trace.frame.step;
    const [first, last] = [steps[0], steps[steps.length - 1]];
    this.low = Math.min(...values);
    this.high = Math.max(...values);
    const across = axis(first, last, EDGE, WIDTH - EDGE);
    this.x = (/** @type {number} */ step) => across(Math.min(last, Math.max(first, step)));
    this.y = axis(this.low, this.high, HEIGHT - EDGE, EDGE);
    this.at = -1;
    this.mark = createSvg("circle", { class: "computation-point", r: 3 });
    this.words = createElement("span.computation-past-words");
    this.picture = this.#picture();
    this.element = createElement(
      "div",
      {
        class: "computation-past-curve",
        title: `Stored or measured at ${steps.length} steps, ${whole(first)} to ${whole(last)}. Click to go to one.`,
        role: "slider",
        tabindex: 0,
        "aria-label": `${name} over training`,
        "aria-valuemin": 0,
        "aria-valuemax": steps.length - 1,
      },
      this.words,
      this.picture,
    );
    this.picture.addEventListener("pointermove", (event) => this.point(this.#nearest(event)));
    this.element.addEventListener("pointerleave", () => this.point(-1));
    this.picture.addEventListener("click", (event) => this.go?.(this.steps[this.#nearest(event)]));
    this.element.addEventListener("keydown", (event) => this.#key(event));
    this.point(-1);
  }

  /** @param {number} at  index of a step; −1: none */
  point(at) {
    this.at = at;
    const shownIndex = at >= 0 ? at : this.#current();
    const text = `step ${whole(this.steps[shownIndex])}: ${formatNumber(this.values[shownIndex])}`;
    this.words.textContent = at >= 0 ? text : this.name;
    this.element.setAttribute("aria-valuenow", String(shownIndex));
    this.element.setAttribute("aria-valuetext", text);
    this.mark.setAttribute("visibility", at >= 0 ? "visible" : "hidden");
    this.mark.setAttribute("cx", String(this.x(this.steps[shownIndex])));
    this.mark.setAttribute("cy", String(this.y(this.values[shownIndex])));
  }

  #picture() {
    const places = this.steps.map((step, k) => [this.x(step), this.y(this.values[k])]);
    const zero = this.low < 0 && this.high > 0 ? this.y(0) : null;
    const points = places.map(([x, y]) => dot("computation-past-step", x, y, 1.2));
    const now = this.x(this.now);
    return createSvg(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT, "aria-hidden": "true" },
      ...(zero === null ? [] : [segment("computation-axis", EDGE, zero, WIDTH - EDGE, zero)]),
      segment("computation-past-now", now, 0, now, HEIGHT),
      polyline("computation-past-line", places),
      ...points,
      this.mark,
    );
  }

  /** The index of the last step up to the shown step. */
  #current() {
    return Math.max(0, this.steps.findLastIndex((step) => step <= this.now));
  }

  /** @param {MouseEvent} event */
  #nearest(event) {
    const { left, width } = this.picture.getBoundingClientRect();
    const x = ((event.clientX - left) / width) * WIDTH;
    const distance = (/** @type {number} */ at) => Math.abs(this.x(this.steps[at]) - x);
    return this.steps.reduce((best, _, at) => (distance(at) < distance(best) ? at : best), 0);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const last = this.steps.length - 1;
    const from = this.at >= 0 ? this.at : this.#current();
    const to = { ArrowLeft: from - 1, ArrowDown: from - 1, ArrowRight: from + 1, ArrowUp: from + 1, Home: 0, End: last }[event.key];
    if (event.key === "Enter") this.go?.(this.steps[from]);
    else if (to === undefined) return;
    else this.point(Math.min(last, Math.max(0, to)));
    event.preventDefault();
    event.stopPropagation();
  }
}
