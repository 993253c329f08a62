/**
 * The factors of every term side by side, and their products: a patch and a kernel, a vector and a row of weights.
 *
 * @typedef {import("./panel.js").PanelContext} PanelContext
 * @typedef {import("../../types.js").Term} Term
 * @typedef {import("../../figures/term_layout.js").Layout} Layout
 * @typedef {import("../../style/scale.js").Scale} Scale
 */

import { button, createElement } from "../../elements.js";
import { largestMagnitude } from "../../engine/tensor.js";
import { parted } from "../../explain/naming.js";
import { paint, scaleOfTensor } from "../../figures/cell_colors.js";
import { layoutOf, pageSums } from "../../figures/term_layout.js";
import { briefNumber } from "../../numbers_brief.js";
import { signed } from "../../style/scale.js";
import { NumberGrid } from "./grid.js";
import { lettersOf } from "./letters.js";
import { Plane } from "./plane.js";

const MAX_COLUMNS = 7; // of numbers; with more columns, values are shown as pixels

/** @param {PanelContext} context */
export function productsOf(context) {
  return new Products(context).element;
}

class Products {
  /** @param {PanelContext} context */
  constructor(context) {
    const { explanation, trace } = context;
    this.context = context;
    this.terms = explanation.terms;
    this.layout = layoutOf(explanation, trace);
    const sums = pageSums(this.layout, this.terms.map(({ value }) => value));
    this.page = largestMagnitude(sums);
    this.last = this.terms[this.terms.length - 1];
    this.wide = this.last.factors.length;
    this.termAt = this.#termsByPlace();
    this.scales = this.#scales();
    this.row = createElement("div.computation-factors");
    this.buttons = this.#buttons(sums);
    const { pages: [first] } = this.layout;
    const caption = createElement("span.computation-caption", first?.letter === "o" ? "filter by filter" : "channel by channel");
    const pages = createElement("div.computation-pages", { hidden: this.buttons.length < 2 }, caption, ...this.buttons);
    this.element = createElement("div.computation-products", pages, this.row);
    this.#turn(this.page);
  }

  /** Creates a button with a partial sum for each channel or filter. @param {number[]} sums */
  #buttons(sums) {
    const scale = signed(sums);
    return this.layout.pages.map(({ letter, number }, page) => {
      const part = createElement("span.computation-part", briefNumber(sums[page]));
      paint(part, scale, sums[page]);
      const which = createElement("span.computation-which", `${letter} = ${number}`);
      return button("", () => this.#turn(page), { class: "computation-page" }, which, part);
    });
  }

  /** @param {number} page */
  #turn(page) {
    this.page = page;
    this.buttons.forEach((key, at) => key.setAttribute("aria-pressed", String(at === page)));
    const panels = this.wide > 1 ? this.wide + 1 : 1;
    const figures = Array.from({ length: panels }, (_, at) => this.#figure(at));
    const signs = figures.map((_, at) => createElement("span.computation-between", at < this.wide ? "·" : "="));
    this.row.replaceChildren(...figures.flatMap((figure, at) => (at ? [signs[at], figure] : [figure])));
  }

  #termsByPlace() {
    const { pages, rows, columns, spots } = this.layout;
    const places = pages.map(() => new Array(rows * columns).fill(-1));
    spots.forEach((spot, at) => {
      if (spot) places[spot.page][spot.row * columns + spot.column] = at;
    });
    return places;
  }

  /** Returns one scale per factor, that of its tensor, and one for the products. @returns {Scale[]} */
  #scales() {
    const factors = Array.from({ length: this.wide }, (_, at) => {
      const cell = this.terms.find((term) => term.factors.length === this.wide && term.factors[at].cell)?.factors[at].cell;
      if (cell) return scaleOfTensor(this.context.trace, parted(cell).tensor);
      return signed(this.terms.map((term) => term.factors[at]?.value ?? 0));
    });
    return [...factors, signed(this.terms.map((term) => term.value))];
  }

  /** Returns a figure of one factor or of the products. @param {number} at */
  #figure(at) {
    const { rows, columns, pages } = this.layout;
    const label = this.#name(at);
    const entries = this.termAt[this.page].map((index) => this.#entry(at, index));
    const entryAt = (/** @type {number} */ row, /** @type {number} */ column) => entries[row * columns + column];
    const isGrid = columns <= MAX_COLUMNS;
    const panel = isGrid
      ? new NumberGrid(rows, columns, label, this.context)
      : new Plane(rows, columns, label, this.context, (row, column) => entryAt(row, column)?.cell ?? null);
    if (panel instanceof NumberGrid) panel.fill(entries, this.scales[at]);
    else panel.fill((row, column) => entryAt(row, column)?.value ?? null, this.scales[at]);
    const { letter, number } = pages[this.page] ?? { letter: "", number: null };
    const caption = createElement("figcaption", pages.length > 1 && number !== null ? `${label}, ${letter} = ${number}` : label);
    return createElement("figure.computation-factor", { "data-slot": this.#slot(at) }, caption, panel.element);
  }

  /** Returns the caption of a factor or of the products. @param {number} at */
  #name(at) {
    if (at === this.wide) return "products";
    const { name } = this.last.factors[at];
    return at === 1 && this.layout.kernel === "rotated" ? `${name}, turned by 180°` : name;
  }

  /** Returns the slot of a factor's letter; null for the products. @param {number} at */
  #slot(at) {
    const name = this.last.factors[at]?.name;
    return lettersOf(this.context.explanation).find((letter) => letter.name === name)?.slot ?? null;
  }

  /** @param {number} at  a factor; after the last, the product @param {number} index  of a term, −1: none */
  #entry(at, index) {
    if (index < 0) return null;
    const term = this.terms[index];
    return at < this.wide ? term.factors[at] : { value: term.value, cell: null, gap: null };
  }
}
