/** The picture of the sheet: a button for each number, with its value above and its gradient below, and lines between them. */

import { createElement, createSvg } from "../../elements.js";
import { gradientOf } from "../../explain/sheet.js";
import { parted, valueOf } from "../../explain/naming.js";
import { exactNumber, fixed, formatNumber } from "../../explain/numbers.js";
import { paint } from "../../figures/cell_colors.js";
import { scaleOf, signed } from "../../style/scale.js";

/** @typedef {import("../../types.js").Trace} Trace */
/** @typedef {import("../../explain/sheet.js").Column} Column */
/** @typedef {import("../../explain/sheet.js").Grid} Grid */
/** @typedef {import("../../explain/sheet.js").Sheet} Sheet */
/** @typedef {{from: string, to: string, value: number, most: number}} Line */
/** @typedef {{values: (cell: string) => boolean, gradients: (tensor: string) => boolean}} Known  which values and gradients are shown */
/** @typedef {{element: HTMLElement, value: HTMLElement, gradient: HTMLElement}} CellParts */

const [THIN, THICK] = [1, 6]; // pixels of a line

export class Picture {
  /** @type {Map<string, CellParts>} */
  #cells = new Map();

  /** @param {Sheet} sheet @param {(cell: string, isKept: boolean) => void} choose */
  constructor(sheet, choose) {
    this.sheet = sheet;
    this.choose = choose;
    this.lines = createSvg("svg", { class: "sheet-lines", "aria-hidden": "true" });
    this.element = createElement("div.sheet-picture", this.lines, ...sheet.columns.map((column) => this.#column(column)));
    this.element.addEventListener("keydown", (event) => this.#key(event));
    const [first] = this.#cells.values();
    if (first) first.element.tabIndex = 0;
  }

  /** @param {Column} column */
  #column({ blocks, role }) {
    const elements = blocks.map(({ title, grids, row }) => {
      const tables = createElement("div.sheet-grids", ...grids.map((grid) => this.#grid(grid, title)));
      const single = row.map(({ cell, name }) => createElement("span.sheet-single", createElement("small", name), this.#cell(cell)));
      return createElement("figure", createElement("figcaption", title), tables, createElement("div.sheet-row", ...single));
    });
    return createElement("div", { class: `sheet-column ${role}` }, ...elements);
  }

  /** @param {Grid} grid @param {string} title */
  #grid({ rows, columns, cells }, title) {
    const attributes = { role: "group", "aria-label": `${title}: ${rows} rows, ${columns} columns`, "--columns": columns };
    return createElement("div.sheet-grid", attributes, ...cells.map((cell) => (cell === null ? createElement("span") : this.#cell(cell))));
  }

  /** @param {string} cell */
  #cell(cell) {
    const [value, gradient] = [createElement("span.sheet-value"), createElement("span.sheet-gradient")];
    const element = createElement("button.sheet-cell", { type: "button", "data-cell": cell, tabindex: -1 }, value, gradient);
    element.addEventListener("click", () => this.choose(cell, true));
    element.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && this.choose(cell, false));
    element.addEventListener("focus", () => element.matches(":focus-visible") && this.choose(cell, false));
    this.#cells.set(cell, { element, value, gradient });
    return element;
  }

  /**
   * Writes the numbers.
   * @param {Trace} trace @param {Known} known @param {Set<string>} thread  the followed cells
   * @param {Trace} before  whose gradients have the strongest colors: after a step, small gradients are pale
   */
  write(trace, known, thread, before) {
    /** @type {Map<string, {values: import("../../style/scale.js").Scale, gradients: import("../../style/scale.js").Scale}>} */
    const scales = new Map();
    const names = [...this.#cells.keys()];
    for (const [cell, { element, value, gradient }] of this.#cells) {
      const { tensor } = parted(cell);
      if (!scales.has(tensor)) {
        const own = names.filter((name) => parted(name).tensor === tensor);
        const values = own.map((name) => valueOf(trace, name) ?? 0);
        const slopes = own.map((name) => valueOf(before, gradientOf(name)) ?? 0);
        const isInk = tensor === this.sheet.columns[0].tensor && values.every((number) => number >= 0);
        scales.set(tensor, { values: isInk ? scaleOf(values, "sequential") : signed(values), gradients: signed(slopes) });
      }
      const { values, gradients } = /** @type {NonNullable<ReturnType<typeof scales.get>>} */ (scales.get(tensor));
      const [number, slope] = [cell, gradientOf(cell)].map((name) => valueOf(trace, name));
      const isKnown = known.values(cell);
      const hasGradient = slope !== null && known.gradients(tensor);
      value.textContent = isKnown && number !== null ? short(number) : "";
      gradient.textContent = hasGradient ? short(slope) : "";
      paint(value, values, isKnown ? (number ?? 0) : 0);
      paint(gradient, gradients, hasGradient ? slope : 0);
      element.classList.toggle("unknown", !isKnown);
      element.classList.toggle("no-gradient", !hasGradient);
      element.classList.toggle("thread", thread.has(cell));
      const words = [isKnown && number !== null && `${formatNumber(number)}`, hasGradient && `gradient ${formatNumber(slope)}`].filter(Boolean).join(", ");
      element.setAttribute("aria-label", `${cell}: ${words || "not computed yet"}`);
      element.title = `${cell}${isKnown && number !== null ? ` = ${exactNumber(number)}` : ""}${hasGradient ? `\ngradient ${exactNumber(slope)}` : ""}`;
    }
  }

  /** Lights some cells; null lights all. @param {Set<string> | null} lit @param {string | null} held @param {Line[]} lines @param {boolean} isKept */
  light(lit, held, lines, isKept = false) {
    for (const [cell, { element }] of this.#cells) {
      element.classList.toggle("off", lit !== null && !lit.has(cell));
      element.classList.toggle("lit", lit !== null && lit.has(cell));
      element.classList.toggle("held", cell === held);
      element.setAttribute("aria-pressed", String(isKept && cell === held));
    }
    const isUsed = lit === null ? ".sheet-cell:not(.unknown)" : ".lit, .held";
    for (const figure of this.element.querySelectorAll("figure")) figure.classList.toggle("used", figure.querySelector(isUsed) !== null);
    this.#draw(lines);
  }

  /** @param {Line[]} lines */
  #draw(lines) {
    const origin = this.element.getBoundingClientRect();
    this.lines.replaceChildren(...lines.flatMap(({ from, to, value, most }) => {
      const [start, end] = [from, to].map((cell) => this.#cells.get(cell)?.element.getBoundingClientRect());
      if (!start?.width || !end?.width) return [];
      const width = THIN + (THICK - THIN) * Math.min(1, Math.abs(value) / (most || 1));
      return [createSvg("path", { class: value < 0 ? "negative" : "positive", "stroke-width": width.toFixed(1), d: curve(start, end, origin) })];
    }));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const cell = /** @type {HTMLElement} */ (event.target);
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!way || !cell.dataset.cell) return;
    event.preventDefault();
    event.stopPropagation();
    const here = cell.getBoundingClientRect();
    const middle = (/** @type {DOMRect} */ box) => [box.left + box.width / 2, box.top + box.height / 2];
    const [x, y] = middle(here);
    let [best, nearest] = [cell, Infinity];
    for (const { element } of this.#cells.values()) {
      const [dx, dy] = middle(element.getBoundingClientRect()).map((place, axis) => place - [x, y][axis]);
      const [ahead, aside] = way[0] ? [dx * way[0], Math.abs(dy)] : [dy * way[1], Math.abs(dx)];
      const distance = ahead + 4 * aside; // a cell straight ahead is preferred
      if (ahead > 1 && aside < ahead && distance < nearest) [best, nearest] = [element, distance];
    }
    cell.tabIndex = -1;
    best.tabIndex = 0;
    best.focus();
  }
}

/** Formats a number for a cell, with at most five characters. @param {number} value */
function short(value) {
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1000) return formatNumber(value);
  if (size < 0.005) return "≈0";
  return size < 9.995 ? fixed(value, 2) : size < 99.95 ? fixed(value, 1) : size < 9999.5 ? fixed(value, 0) : formatNumber(value, 1);
}

/** Returns a curve between the facing sides of two cells, relative to the picture. @param {DOMRect} a @param {DOMRect} b @param {DOMRect} origin */
function curve(a, b, { left, top }) {
  const [ax, ay, bx, by] = [a.left + a.width / 2 - left, a.top + a.height / 2 - top, b.left + b.width / 2 - left, b.top + b.height / 2 - top];
  const isBeside = Math.abs(ax - bx) > Math.abs(ay - by);
  const sign = isBeside ? Math.sign(bx - ax) : Math.sign(by - ay);
  const [x1, x2] = isBeside ? [ax + (sign * a.width) / 2, bx - (sign * b.width) / 2] : [ax, bx];
  const [y1, y2] = isBeside ? [ay, by] : [ay + (sign * a.height) / 2, by - (sign * b.height) / 2];
  const [mx, my] = [(x1 + x2) / 2, (y1 + y2) / 2];
  return isBeside ? `M${x1} ${y1}C${mx} ${y1} ${mx} ${y2} ${x2} ${y2}` : `M${x1} ${y1}C${x1} ${my} ${x2} ${my} ${x2} ${y2}`;
}
