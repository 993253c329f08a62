import { formatNumber } from "../../explain/numbers.js";
import { button, createElement } from "../../elements.js";
import { numberLink } from "./links.js";

/**
 * All terms as a table, in the order of addition. Only the visible rows exist in the document.
 *
 * @typedef {import("./stage/stage.js").PanelContext} PanelContext
 */

const ROW = 34; // pixels
const SPARE = 6; // rows above and below the visible ones

export class TermTable {
  /** @param {PanelContext} context @param {(done: number) => void} onSelect  called with the term of a clicked row */
  constructor(context, onSelect) {
    this.context = context;
    this.onSelect = onSelect;
    this.terms = context.explanation.terms;
    this.sequence = context.sequence;
    this.now = -1;
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

  /** @param {number} done @param {boolean} stepping */
  show(done, stepping) {
    this.now = stepping ? done - 1 : -1;
    if (this.now >= 0) this.#reveal(this.now);
    this.#render();
  }

  /** @param {number} row */
  #reveal(row) {
    const { scrollTop, clientHeight } = this.viewport;
    if (row * ROW < scrollTop) this.viewport.scrollTop = row * ROW;
    else if ((row + 1) * ROW > scrollTop + clientHeight) this.viewport.scrollTop = (row + 1) * ROW - clientHeight;
  }

  #render() {
    const first = Math.max(0, Math.floor(this.viewport.scrollTop / ROW) - SPARE);
    const last = Math.min(this.terms.length, first + Math.ceil(this.viewport.clientHeight / ROW) + 2 * SPARE);
    const rows = this.sequence.all().slice(first, last);
    this.inner.replaceChildren(...rows.map((at, place) => this.#row(at, first + place)));
  }

  /** @param {number} at  index of the term @param {number} place  index of the row */
  #row(at, place) {
    const term = this.terms[at];
    const parts = term.factors.flatMap(({ name, cell, value, gap }, which) => {
      const number = cell ? numberLink(this.context, cell, value) : createElement("span.number", formatNumber(value));
      const factor = createElement(
        "span.computation-term-factor",
        number,
        createElement("small.cell-name", cell ?? (gap ?? name)),
      );
      return which ? [createElement("span.computation-between", "·"), factor] : [factor];
    });
    const { sums } = this.sequence;
    const number = button(String(place + 1), () => this.onSelect(place + 1), {
      class: "computation-term-number",
      "aria-label": `show term ${place + 1}`,
      disabled: place >= this.sequence.count,
    });
    const row = createElement(
      "div.computation-term-row",
      createElement("span", number),
      createElement("span.computation-term-product", ...parts),
      createElement("span.computation-term-value.number", formatNumber(term.value)),
      createElement("span.computation-term-sum.number", formatNumber(sums[Math.min(place + 1, sums.length - 1)])),
    );
    for (const child of row.children) child.setAttribute("role", "cell");
    row.setAttribute("role", "row");
    row.setAttribute("aria-rowindex", String(place + 1));
    row.style.transform = `translateY(${place * ROW}px)`;
    row.classList.toggle("computation-now", place === this.now);
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
