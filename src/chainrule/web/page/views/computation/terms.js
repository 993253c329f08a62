import { formatNumber } from "../../explain/numbers.js";
import { button, createElement } from "../../elements.js";
import { numberLink } from "./links.js";

/**
 * All terms as a table, in the order in which they are added. Only the visible rows exist in the document.
 *
 * @typedef {import("./stage/stage.js").Making} Making
 */

const ROW = 34;
const SPARE = 6;

export class TermTable {
  /** @param {Making} making @param {(done: number) => void} chosen called with the term of a clicked row */
  constructor(making, chosen) {
    this.making = making;
    this.chosen = chosen;
    this.terms = making.explanation.terms;
    this.sequence = making.sequence;
    this.now = -1;
    this.inner = createElement("div", { class: "computation-term-rows" });
    this.room = createElement("div", { class: "computation-term-room" }, this.inner);
    this.room.tabIndex = 0;
    this.room.setAttribute("role", "table");
    this.room.setAttribute("aria-label", `${this.terms.length} terms`);
    this.room.setAttribute("aria-rowcount", String(this.terms.length));
    this.room.addEventListener("scroll", () => this.#render());
    this.inner.style.setProperty("--name", `${longestName(this.terms)}ch`);
    this.inner.style.height = `${this.terms.length * ROW}px`;
    this.element = createElement(
      "div",
      { class: "terms" },
      head(),
      this.room,
    );
    new ResizeObserver(() => this.#render()).observe(this.room);
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
    const { scrollTop, clientHeight } = this.room;
    if (row * ROW < scrollTop) this.room.scrollTop = row * ROW;
    else if ((row + 1) * ROW > scrollTop + clientHeight) this.room.scrollTop = (row + 1) * ROW - clientHeight;
  }

  #render() {
    const first = Math.max(0, Math.floor(this.room.scrollTop / ROW) - SPARE);
    const last = Math.min(this.terms.length, first + Math.ceil(this.room.clientHeight / ROW) + 2 * SPARE);
    const rows = this.sequence.all().slice(first, last);
    this.inner.replaceChildren(...rows.map((at, place) => this.#row(at, first + place)));
  }

  /** @param {number} at which term @param {number} place which row */
  #row(at, place) {
    const term = this.terms[at];
    const parts = term.factors.flatMap(({ name, cell, value, why }, which) => {
      const number = cell ? numberLink(this.making, cell, value) : createElement("span", { class: "number" }, formatNumber(value));
      const factor = createElement(
        "span",
        { class: "computation-term-factor" },
        number,
        createElement("small", { class: "cell-name" }, cell ?? (why || name)),
      );
      return which ? [createElement("span", { class: "computation-between" }, "·"), factor] : [factor];
    });
    const { sums } = this.sequence;
    const number = button(String(place + 1), () => this.chosen(place + 1), {
      class: "computation-term-number",
      "aria-label": `show term ${place + 1}`,
      disabled: place >= this.sequence.count,
    });
    const row = createElement(
      "div",
      { class: "computation-term-row" },
      createElement("span", {}, number),
      createElement("span", { class: "computation-term-product" }, ...parts),
      createElement("span", { class: "computation-term-value number" }, formatNumber(term.value)),
      createElement("span", { class: "computation-term-sum number" }, formatNumber(sums[Math.min(place + 1, sums.length - 1)])),
    );
    for (const child of row.children) child.setAttribute("role", "cell");
    row.setAttribute("role", "row");
    row.setAttribute("aria-rowindex", String(place + 1));
    row.style.transform = `translateY(${place * ROW}px)`;
    row.classList.toggle("computation-now", place === this.now);
    row.classList.toggle(
      "computation-nothing",
      term.factors.some((factor) => factor.why),
    );
    return row;
  }
}

/** Creates the column headings. */
function head() {
  const names = ["", "", "product", "sum"];
  const made = createElement(
    "div",
    { class: "computation-term-heads" },
    ...names.map((name) => createElement("span", { class: "computation-caption" }, name)),
  );
  made.setAttribute("aria-hidden", "true");
  return made;
}

/** Returns the length of the longest factor name. @param {import("../../types.js").Term[]} terms */
function longestName(terms) {
  const factors = terms.flatMap((term) => term.factors);
  return factors.reduce((most, { cell, name, why }) => Math.max(most, (cell ?? (why || name)).length), 0);
}
