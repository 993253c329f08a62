/** The cells of the picture: grids of buttons with numbers, and the small grid of what the outputs used. */

import { createElement } from "../../elements.js";
import { named, parted, valueOf } from "../../explain/naming.js";
import { exactNumber, fixed, formatNumber } from "../../explain/numbers.js";
import { paint } from "../../figures/cell_colors.js";
import { signed } from "../../style/scale.js";

/** @typedef {import("../../types.js").Trace} Trace */
/** @typedef {import("../../explain/held_layer.js").CellGrid} CellGrid */
/** @typedef {import("../../explain/held_layer.js").HeldLayer} HeldLayer */
/** @typedef {import("../../explain/held_layer.js").Holding} Holding */
/** @typedef {"x" | "w" | "y" | "dy"} Name */
/** @typedef {{grid: CellGrid, buttons: HTMLElement[], title: HTMLElement, gradient: string, ink: Ink}} Drawn  gradient: shown instead of the values */

const GAP = 3; // pixels between cells, as in style/hold.css
const TITLES = { x: "x, inputs", w: "w, weights", y: "y, outputs", dy: "dy, gradients" };
/** @type {Record<string, [Name, Name, string]>}  by the held side: whose places and whose colors the small grid has, and its title */
const USED = { x: ["dy", "w", "weights they used"], w: ["dy", "x", "inputs under w"], y: ["w", "y", "products x · w"] };

/** The colors and the unit of the numbers in a grid. */
class Ink {
  /** @param {number[]} values */
  constructor(values) {
    const power = Math.floor(Math.log10(Math.max(...values.map(Math.abs)) || 1));
    this.unit = power < -1 || power > 3 ? 10 ** power : 1;
    this.words = this.unit === 1 ? "" : `, in ${formatNumber(this.unit)}`;
    this.scale = signed(values);
  }

  /** @param {HTMLElement} element @param {number} value */
  write(element, value) {
    const number = value / this.unit;
    const size = Math.abs(number);
    const short = size < 0.005 ? "≈0" : fixed(number, size < 9.995 ? 2 : size < 99.95 ? 1 : 0);
    element.textContent = Number.isInteger(number) ? formatNumber(number) : short;
    paint(element, this.scale, value);
  }
}

export class Cells {
  /** @type {Map<Name, Drawn>} */
  #grids = new Map();

  /** @param {HeldLayer} layer @param {(cell: string, isKept: boolean) => void} choose */
  constructor({ grids: { x, w, y }, gradients, operation }, choose) {
    this.used = createElement("div.hold-used", { "aria-hidden": "true" });
    /** @type {HTMLElement[]} */
    this.elements = [this.used];
    /** @type {{kind: string, path: () => string}[]}  the lines between two outputs and the weights that they used */
    this.ends = [];
    this.isSliding = operation.name === "cross_correlate";
    const columns = [x, w, y].map((grid) => grid?.columns ?? 0);
    this.across = columns[0] + columns[1] + columns[2] + Math.max(columns[1], columns[2]); // the last ones of what was used
    for (const [name, grid] of /** @type {[Name, CellGrid | null][]} */ (Object.entries({ x, w, y, dy: gradients.y ? y : null }))) {
      if (!grid) continue;
      const buttons = grid.cells.map((cell) => holdButton(cell, choose));
      const title = createElement("figcaption");
      const cells = createElement("div.hold-grid", { role: "group", "aria-label": TITLES[name], "--columns": grid.columns }, ...buttons);
      this.#grids.set(name, { grid, buttons, title, gradient: name === "dy" ? gradients.y : "", ink: new Ink([]) });
      this.elements.splice(-1, 0, createElement("figure", { class: `hold-${name}` }, title, cells));
    }
  }

  /** @param {string} cell */
  has(cell) {
    return [...this.#grids.values()].some(({ grid }) => grid.cells.includes(cell));
  }

  /** @param {Trace} trace @param {Holding} holding @param {boolean} isKept */
  draw(trace, holding, isKept) {
    const lit = new Set(holding.terms.flatMap(({ use: { x, w, y } }) => [x, w, y]));
    for (const [name, drawn] of this.#grids) {
      const { grid, buttons, title, gradient } = drawn;
      const names = grid.cells.map((cell) => (gradient ? named(gradient, parted(cell).index) : cell));
      const values = names.map((cell) => valueOf(trace, cell) ?? 0);
      drawn.ink = new Ink(values);
      title.textContent = TITLES[name] + drawn.ink.words;
      const reached = Math.max(0, grid.cells.indexOf(holding.cell));
      buttons.forEach((element, at) => {
        const isHeld = grid.cells[at] === holding.cell;
        drawn.ink.write(element, values[at]);
        element.tabIndex = at === reached ? 0 : -1;
        element.title = `${names[at]} = ${exactNumber(values[at])}`;
        element.setAttribute("aria-label", `${element.textContent}${drawn.ink.words}, ${names[at]}`);
        element.setAttribute("aria-pressed", String(isKept && isHeld));
        element.classList.toggle("held", isHeld);
        element.classList.toggle("off", !isHeld && !lit.has(grid.cells[at]));
        element.classList.remove("first", "last");
      });
    }
    this.#drawUsed(holding);
  }

  /** Draws what each output used, in the order of the outputs, or the products of an output. @param {Holding} holding */
  #drawUsed({ side, terms }) {
    const [place, colors, words] = USED[side];
    const [at, source] = [this.#grids.get(place), this.#grids.get(colors)];
    this.ends = [];
    this.used.hidden = !this.isSliding || terms.length < 2;
    if (!at || !source || this.used.hidden) return;
    const products = terms.map(({ value, factors }) => (side === "y" ? value : factors[1]));
    const ink = side === "y" ? new Ink(products) : source.ink;
    const cells = at.grid.cells.map((cell) => {
      const n = terms.findIndex(({ use }) => cell === (side === "y" ? use.w : use.y));
      const element = createElement("span", { class: n < 0 ? "hold-cell empty" : "hold-cell" });
      if (n >= 0) ink.write(element, products[n]);
      return element;
    });
    this.used.replaceChildren(createElement("span.hold-title", words + ink.words), createElement("div.hold-grid", { "--columns": at.grid.columns }, ...cells));
    if (side !== "x") return;
    this.ends = [terms[0], terms[terms.length - 1]].map(({ use: { y, w } }, end) => {
      const kind = end ? "last" : "first";
      const output = at.grid.cells.indexOf(y);
      const [from, to] = [at.buttons[output], source.buttons[source.grid.cells.indexOf(w ?? "")]];
      for (const element of [from, to, cells[output]]) element.classList.add(kind);
      return { kind, path: () => pathBetween(from, to) };
    });
  }
}

/**
 * Returns the path of a line from a cell to one in a grid on its left, relative to the picture. In the grids, it runs in the gaps below
 * the cells, so that it crosses no digits. It is empty if the other grid is not on the left.
 * @param {HTMLElement} from @param {HTMLElement} to
 */
function pathBetween(from, to) {
  const [a, b, source, target, stage] = [from, to, from.parentElement, to.parentElement, from.closest(".hold-stage")].map((element) => /** @type {Element} */ (element).getBoundingClientRect());
  if (source.left < target.right) return "";
  const [x1, y1, x2, y2] = [a.left + a.width / 2 - stage.left, a.bottom + GAP / 2 - stage.top, b.left + b.width / 2 - stage.left, b.bottom + GAP / 2 - stage.top];
  const [left, right] = [source.left - GAP - stage.left, target.right + GAP - stage.left];
  const middle = (left + right) / 2;
  return `M${x1} ${y1}H${left}C${middle} ${y1} ${middle} ${y2} ${right} ${y2}H${x2}`;
}

/** @param {string} cell @param {(cell: string, isKept: boolean) => void} choose */
function holdButton(cell, choose) {
  const element = createElement("button.hold-cell", { type: "button", "data-cell": cell });
  element.addEventListener("click", () => choose(cell, true));
  element.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && choose(cell, false));
  element.addEventListener("focus", () => element.matches(":focus-visible") && choose(cell, false));
  return element;
}

/** Returns the cell that an arrow key moves to, the same at an edge; null for other keys. @param {KeyboardEvent} event @returns {HTMLElement | null} */
export function nextCell({ key, target }) {
  const cell = /** @type {HTMLElement} */ (target);
  const grid = cell.closest(/** @type {"div"} */ (".hold-grid"));
  const columns = Number(grid?.style.getPropertyValue("--columns"));
  const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[key];
  if (!grid || !by) return null;
  const cells = [...grid.children];
  const at = cells.indexOf(cell);
  const isAtEdge = Math.abs(by) === 1 && columns > 1 && Math.floor(at / columns) !== Math.floor((at + by) / columns);
  return isAtEdge ? cell : /** @type {HTMLElement} */ (cells[at + by] ?? cell);
}
