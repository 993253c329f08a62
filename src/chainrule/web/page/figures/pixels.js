/** A plane too large for text: one pixel per value on a canvas. Arrow keys move, Enter or a click selects. */
import { formatNumber } from "../explain/numbers.js";
import { ink } from "../style/ink.js";
import { colorOf } from "../style/scale.js";
import { createElement } from "../elements.js";
import { neighbor } from "./plane.js";

const MAX_SIDE = 264; // pixels of the longer side
const MIN_PIXEL = 3; // CSS pixels per value
const OUTLINE = 2; // pixels

/**
 * @param {import("./plane.js").Options} options
 * @returns {import("./plane.js").Plane}
 */
export function pixels(options) {
  const { rows, columns, label } = options;
  const side = Math.max(Math.floor((options.widest ?? MAX_SIDE) / Math.max(rows, columns)), MIN_PIXEL);
  const size = { width: columns * side, height: rows * side };
  const [role, tabindex] = options.pick ? ["application", 0] : ["img", null];
  const canvas = createElement("canvas", { ...size, role, tabindex, "aria-label": label });
  const readout = createElement("output", { class: "pixel-said", "aria-live": "polite" });
  const element = createElement("div", { class: "pixels" }, canvas, readout);
  /** The pixels without marks, repainted when values or colors change. */
  const plain = createElement("canvas", size);
  /** @type {{values: ArrayLike<number>, marks: Map<number, string>, at: number}} */
  const state = { values: [], marks: new Map(), at: -1 };
  const paint = () => paintMarks(canvas, plain, state, columns, side);
  const move = (/** @type {number} */ k) => {
    if (k === state.at) return;
    if (state.at >= 0) options.hover?.(Math.floor(state.at / columns), state.at % columns, false);
    state.at = k;
    if (k >= 0) options.hover?.(Math.floor(k / columns), k % columns, true);
    readout.textContent = k < 0 ? "" : `${options.name(Math.floor(k / columns), k % columns)} = ${formatNumber(state.values[k])}`;
    paint();
  };
  if (options.pick) addPointer(canvas, options, side, state, move);
  return {
    element,
    show(values, scale) {
      state.values = values;
      paintValues(plain, values, scale, columns, side);
      paint();
    },
    mark(marks) {
      const none = marks.size + state.marks.size === 0;
      state.marks = marks;
      if (!none) paint();
    },
  };
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {ArrayLike<number>} values
 * @param {import("./plane.js").Scale} scale
 * @param {number} columns
 * @param {number} side
 */
function paintValues(canvas, values, scale, columns, side) {
  const context = canvas.getContext("2d");
  if (!context) return;
  for (let k = 0; k < values.length; k++) {
    context.fillStyle = `rgb(${colorOf(values[k], scale)})`;
    context.fillRect((k % columns) * side, Math.floor(k / columns) * side, side, side);
  }
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {HTMLCanvasElement} plain
 * @param {{marks: Map<number, string>, at: number}} state
 * @param {number} columns
 * @param {number} side
 */
function paintMarks(canvas, plain, { marks, at }, columns, side) {
  const context = canvas.getContext("2d");
  if (!context) return;
  context.drawImage(plain, 0, 0);
  const ring = (/** @type {number} */ k, /** @type {string} */ color, /** @type {number} */ width) => {
    context.strokeStyle = color;
    context.lineWidth = width;
    const [top, left] = [Math.floor(k / columns) * side, (k % columns) * side];
    context.strokeRect(left + width / 2, top + width / 2, side - width, side - width);
  };
  for (const [k, mark] of marks) {
    if (mark === "from" || mark === "reach") edges(context, k, marks, columns, side, ink("--accent"));
    else ring(k, ink(mark === "won" ? "--ink" : "--accent"), mark === "chosen" ? 3 : 1.5);
  }
  if (at >= 0) ring(at, ink("--ink"), 2);
}

/**
 * Draws the sides of a marked cell that border on cells without the mark; together they outline the marked cells.
 * @param {CanvasRenderingContext2D} context
 * @param {number} k
 * @param {Map<number, string>} marks
 * @param {number} columns
 * @param {number} side
 * @param {string} color
 */
function edges(context, k, marks, columns, side, color) {
  const [top, left] = [Math.floor(k / columns) * side, (k % columns) * side];
  const own = marks.get(k);
  const beside = (/** @type {number} */ step) => Math.floor((k + step) / columns) === Math.floor(k / columns);
  context.fillStyle = color;
  if (marks.get(k - columns) !== own) context.fillRect(left, top, side, OUTLINE);
  if (marks.get(k + columns) !== own) context.fillRect(left, top + side - OUTLINE, side, OUTLINE);
  if (!beside(-1) || marks.get(k - 1) !== own) context.fillRect(left, top, OUTLINE, side);
  if (!beside(1) || marks.get(k + 1) !== own) context.fillRect(left + side - OUTLINE, top, OUTLINE, side);
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {import("./plane.js").Options} options
 * @param {number} side
 * @param {{at: number}} state
 * @param {(k: number) => void} move
 */
function addPointer(canvas, { rows, columns, pick }, side, state, move) {
  /** @param {PointerEvent | MouseEvent} event */
  const under = (event) => {
    const scale = canvas.width / canvas.getBoundingClientRect().width;
    const [i, j] = [event.offsetY, event.offsetX].map((offset) => Math.floor((offset * scale) / side));
    return i < 0 || j < 0 || i >= rows || j >= columns ? -1 : i * columns + j;
  };
  canvas.addEventListener("pointermove", (event) => move(under(event)));
  canvas.addEventListener("pointerleave", () => move(-1));
  canvas.addEventListener("blur", () => move(-1));
  canvas.addEventListener("click", (event) => {
    const k = under(event);
    if (k >= 0) pick?.(Math.floor(k / columns), k % columns);
  });
  canvas.addEventListener("keydown", (event) => {
    const [i, j] = state.at < 0 ? [0, -1] : [Math.floor(state.at / columns), state.at % columns];
    const next = neighbor(event.key, i, j, rows, columns);
    if (next) move(next[0] * columns + next[1]);
    else if (event.key === "Enter" && state.at >= 0) pick?.(i, j);
    else return;
    event.preventDefault();
  });
}
