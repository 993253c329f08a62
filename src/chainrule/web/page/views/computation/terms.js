import { formatNumber } from "../../explain/numbers.js";
import { createElement } from "../../elements.js";
import { numberLink } from "./links.js";

/**
 * All terms as a table, the largest first. Only the visible rows exist in the document.
 *
 * @typedef {import("./panel.js").PanelContext} PanelContext
 */

const ROW = 34; // pixels
const SPARE = 6; // rows above and below the visible ones

export class TermTable {
  /** @param {PanelContext} context */
  constructor(context) {
    this.context = context;
    this.terms = [...context.explanation.terms].sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
    let sum = 0;
    this.sums = this.terms.map(({ value }) => (sum += value));
    this.inner = createElement("div.computation-term-rows");
    this.viewport = createElement("div.computation-term-room", this.inner);
    this.viewport.tabIndex = 0;
    this.viewport.setAttribute("role", "table");
    this.viewport.setAttribute("aria-label", `${this.terms.length} terms`);
    this.viewport.setAttribute("aria-rowcount", String(this.terms.length));
    this.viewport.addEventListener("scroll", () => this.#render());
    this.inner.style.setProperty("--name", `${longestName(this.terms)}ch`);
    this.inner.style.height = `${this.terms.length * ROW}px`;
    this.element = createElement(
      "div.terms",
      head(),
      this.viewport,
    );
    new ResizeObserver(() => this.#render()).observe(this.viewport);
  }

  get title() {
    return `The ${this.terms.length} terms`;
  }

  #render() {
    const first = Math.max(0, Math.floor(this.viewport.scrollTop / ROW) - SPARE);
    const last = Math.min(this.terms.length, first + Math.ceil(this.viewport.clientHeight / ROW) + 2 * SPARE);
    this.inner.replaceChildren(...this.terms.slice(first, last).map((term, place) => this.#row(term, first + place)));
  }

  /** @param {import("../../types.js").Term} term @param {number} place  index of the row */
  #row(term, place) {
    const parts = term.factors.flatMap(({ name, cell, value, gap }, which) => {
      const number = cell ? numberLink(this.context, cell, value) : createElement("span.number", formatNumber(value));
      const factor = createElement(
        "span.computation-term-factor",
        number,
        createElement("small.cell-name", cell ?? (gap ?? name)),
      );
      return which ? [createElement("span.computation-between", "·"), factor] : [factor];
    });
    const row = createElement(
      "div.computation-term-row",
      createElement("span.computation-term-number", String(place + 1)),
      createElement("span.computation-term-product", ...parts),
      createElement("span.computation-term-value.number", formatNumber(term.value)),
      createElement("span.computation-term-sum.number", formatNumber(this.sums[place])),
    );
    for (const child of row.children) child.setAttribute("role", "cell");
    row.setAttribute("role", "row");
    row.setAttribute("aria-rowindex", String(place + 1));
    row.style.transform = `translateY(${place * ROW}px)`;
    row.classList.toggle(
      "computation-nothing",
      term.factors.some((factor) => factor.gap),
    );
    return row;
  }
}

/** Creates the column headings. */
function head() {
  const names = ["", "", "product", "sum"];
  const element = createElement(
    "div.computation-term-heads",
    ...names.map((name) => createElement("span.computation-caption", name)),
  );
  element.setAttribute("aria-hidden", "true");
  return element;
}

/** Returns the length of the longest factor name. @param {import("../../types.js").Term[]} terms */
function longestName(terms) {
  const factors = terms.flatMap((term) => term.factors);
  return factors.reduce((most, { cell, name, gap }) => Math.max(most, (cell ?? (gap ?? name)).length), 0);
}
