import { formatNumber } from "../../explain/numbers.js";
import { button, createElement } from "../../elements.js";
import { numberLink } from "./links.js";

/**
 * All terms as a table, in summation order or the largest first. Only the visible rows exist in the document.
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
    this.inOrder = this.terms.map((_, at) => at);
    this.order = this.inOrder;
    this.sums = sums(this.terms, this.order);
    this.now = -1;
    this.inner = createElement("div", { class: "made-term-rows" });
    this.room = createElement("div", { class: "made-term-room" }, this.inner);
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
      createElement("div", { class: "made-terms-head" }, createElement("h3", {}, `The ${this.terms.length} terms`), this.#sorting()),
      head(),
      this.room,
    );
    new ResizeObserver(() => this.#render()).observe(this.room);
  }

  /** @param {number} done @param {boolean} stepping */
  show(done, stepping) {
    this.now = stepping ? done - 1 : -1;
    const row = this.order.indexOf(this.now);
    if (row >= 0) this.#reveal(row);
    this.#render();
  }

  #sorting() {
    const names = ["in order", "largest first"];
    const keys = names.map((name, at) =>
      button(name, () => {
        this.order = at
          ? [...this.inOrder].sort(
              (one, two) => Math.abs(this.terms[two].value) - Math.abs(this.terms[one].value) || one - two,
            )
          : this.inOrder;
        this.sums = sums(this.terms, this.order);
        keys.forEach((key, which) => key.setAttribute("aria-pressed", String(which === at)));
        this.room.scrollTop = 0;
        this.#render();
      }),
    );
    keys[0].setAttribute("aria-pressed", "true");
    keys[1].setAttribute("aria-pressed", "false");
    return createElement("div", { class: "switch" }, ...keys);
  }

  /** @param {number} row */
  #reveal(row) {
    const { scrollTop, clientHeight } = this.room;
    if (row * ROW < scrollTop) this.room.scrollTop = row * ROW;
    else if ((row + 1) * ROW > scrollTop + clientHeight) this.room.scrollTop = (row + 1) * ROW - clientHeight;
  }

  #render() {
    const first = Math.max(0, Math.floor(this.room.scrollTop / ROW) - SPARE);
    const last = Math.min(this.order.length, first + Math.ceil(this.room.clientHeight / ROW) + 2 * SPARE);
    this.inner.replaceChildren(...this.order.slice(first, last).map((at, place) => this.#row(at, first + place)));
  }

  /** @param {number} at which term @param {number} place which row */
  #row(at, place) {
    const term = this.terms[at];
    const parts = term.factors.flatMap(({ name, cell, value, why }, which) => {
      const number = cell ? numberLink(this.making, cell, value) : createElement("span", { class: "number" }, formatNumber(value));
      const factor = createElement(
        "span",
        { class: "made-term-factor" },
        number,
        createElement("small", { class: "cell-name" }, cell ?? (why || name)),
      );
      return which ? [createElement("span", { class: "made-between" }, "·"), factor] : [factor];
    });
    const number = button(String(at + 1), () => this.chosen(at + 1), {
      class: "made-term-number",
      "aria-label": `show term ${at + 1}`,
    });
    const row = createElement(
      "div",
      { class: "made-term-row" },
      createElement("span", {}, number),
      createElement("span", { class: "made-term-product" }, ...parts),
      createElement("span", { class: "made-term-value number" }, formatNumber(term.value)),
      createElement("span", { class: "made-term-sum number" }, formatNumber(this.sums[place])),
    );
    for (const child of row.children) child.setAttribute("role", "cell");
    row.setAttribute("role", "row");
    row.setAttribute("aria-rowindex", String(place + 1));
    row.style.transform = `translateY(${place * ROW}px)`;
    row.classList.toggle("made-now", at === this.now);
    row.classList.toggle(
      "made-nothing",
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
    { class: "made-term-heads" },
    ...names.map((name) => createElement("span", { class: "made-caption" }, name)),
  );
  made.setAttribute("aria-hidden", "true");
  return made;
}

/** Returns the partial sums down to each row. @param {{value: number}[]} terms @param {number[]} order */
function sums(terms, order) {
  let sum = 0;
  return order.map((at) => (sum += terms[at].value));
}

/** Returns the length of the longest factor name. @param {import("../../types.js").Term[]} terms */
function longestName(terms) {
  const factors = terms.flatMap((term) => term.factors);
  return factors.reduce((most, { cell, name, why }) => Math.max(most, (cell ?? (why || name)).length), 0);
}
