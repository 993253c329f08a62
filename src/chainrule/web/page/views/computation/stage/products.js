import { largestMagnitude } from "../../../engine/tensor.js";
import { parted } from "../../../explain/naming.js";
import { briefNumber } from "../../../numbers_brief.js";
import { signed } from "../../../style/scale.js";
import { scaleOfTensor } from "../../../figures/cell_colors.js";
import { createElement } from "../../../elements.js";
import { lettersOf } from "../letters.js";
import { NumberGrid } from "./grid.js";
import { layoutOf, pageSums } from "../../../figures/term_layout.js";
import { Pages } from "./pages.js";
import { Plane } from "./plane.js";
import { PatchMap } from "./map_location.js";

/**
 * The factors of every term side by side, and their products: a patch and a kernel, a vector and a row of weights.
 *
 * @typedef {import("./stage.js").PanelContext} PanelContext
 * @typedef {import("./stage.js").Stage} Stage
 * @typedef {import("../../../figures/term_layout.js").Layout} Layout
 * @typedef {import("./grid.js").Entry} Entry
 * @typedef {import("../../../style/scale.js").Scale} Scale
 */

/** With more columns, values are shown as pixels, since numbers would be too small to read. */
const MAX_COLUMNS = 7;

/** @param {PanelContext} context @returns {Stage} */
export function productStage(context) {
  return new Products(context);
}

/** @implements {Stage} */
class Products {
  /** @param {PanelContext} context */
  constructor(context) {
    this.context = context;
    const { explanation, trace } = context;
    this.terms = explanation.terms;
    this.sequence = context.sequence;
    this.count = this.sequence.count;
    this.layout = layoutOf(explanation, trace);
    this.page = largestMagnitude(pageSums(this.layout, this.terms.map((term) => term.value)));
    this.now = -1;
    this.filled = -1;
    this.done = this.count;
    this.stepping = false;
    this.wide = this.terms[this.terms.length - 1].factors.length;
    this.termAt = this.#termsByPlace();
    this.scales = this.#scales();
    this.results = this.terms.map((term) => ({ value: term.value, cell: null, gap: null }));
    this.panels = this.#panels();
    this.patchMap = new PatchMap(context, this.layout);
    const slot = this.#slot(this.patchMap.factor);
    if (slot) this.patchMap.element.dataset.slot = String(slot);
    this.pages = new Pages(this.layout, this.terms, this.sequence, (page) => this.#turn(page));
    this.element = createElement(
      "div.computation-products",
      this.pages.element,
      createElement("div.computation-factors", this.patchMap.element, ...this.#row()),
    );
    this.#refill();
  }

  /** @param {number} done @param {boolean} stepping @param {boolean} [quick] */
  show(done, stepping, quick = false) {
    this.done = done;
    this.stepping = stepping;
    this.now = stepping && done ? this.sequence.order[done - 1] : -1;
    const spot = this.layout.spots[this.now];
    if (spot && !quick) this.page = spot.page;
    this.#refill();
  }

  /** @param {number} done */
  say(done) {
    const term = this.terms[this.sequence.order[done - 1]];
    if (!term) return "no terms added yet";
    const factors = term.factors.map(({ name, cell, value, gap }) => `${cell ?? (gap ?? name)}, ${briefNumber(value)}`);
    return `term ${done} of ${this.count}: ${factors.join(", times ")}, is ${briefNumber(term.value)}`;
  }

  /** @param {number} page */
  #turn(page) {
    this.page = page;
    this.#refill();
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
      const cell = this.terms.find((term) => term.factors.length === this.wide && term.factors[at].cell)?.factors[at]
        .cell;
      if (cell) return scaleOfTensor(this.context.trace, parted(cell).tensor);
      return signed(this.terms.map((term) => term.factors[at]?.value ?? 0));
    });
    return [...factors, signed(this.terms.map((term) => term.value))];
  }

  /** Creates a panel for each factor and, if there are several factors, one for the products. */
  #panels() {
    const many = this.wide > 1 ? this.wide + 1 : 1;
    return Array.from({ length: many }, (_, at) => this.#panel(at));
  }

  /** Returns the caption of a panel. @param {number} at */
  #name(at) {
    if (at === this.wide) return "products";
    const { name } = this.terms[this.terms.length - 1].factors[at];
    return at === 1 && this.layout.kernel === "rotated" ? `${name}, turned by 180°` : name;
  }

  /** @param {number} at */
  #panel(at) {
    const { rows, columns } = this.layout;
    const label = this.#name(at);
    if (columns <= MAX_COLUMNS) return new NumberGrid(rows, columns, label, this.context);
    const cellAt = (/** @type {number} */ row, /** @type {number} */ column) =>
      this.#entry(at, row * columns + column)?.cell ?? null;
    return new Plane(rows, columns, label, this.context, cellAt);
  }

  /** Returns the slot of a factor's letter; null for the products. @param {number} at */
  #slot(at) {
    const name = this.terms[this.terms.length - 1].factors[at]?.name;
    return lettersOf(this.context.explanation).find((letter) => letter.name === name)?.slot ?? null;
  }

  #row() {
    const captions = this.panels.map(() => createElement("figcaption"));
    this.captions = captions;
    return this.panels.flatMap((panel, at) => {
      const figure = createElement(
        "figure",
        { class: at < this.wide ? "computation-factor" : "computation-factor product", "data-slot": this.#slot(at) },
        captions[at],
        panel.element,
      );
      if (!at) return [figure];
      return [createElement("span.computation-between", at < this.wide ? "·" : "="), figure];
    });
  }

  /** @param {number} at index of a factor; after the last, the product @param {number} place @returns {Entry | null} */
  #entry(at, place) {
    const index = this.termAt[this.page][place];
    if (index < 0) return null;
    const term = this.terms[index];
    if (at < this.wide) return term.factors[at];
    return this.sequence.isAdded(index, this.done) ? this.results[index] : null;
  }

  #refill() {
    const { rows, columns } = this.layout;
    const spot = this.layout.spots[this.now] ?? null;
    const here = spot && spot.page === this.page ? spot : null;
    this.panels.forEach((panel, at) => {
      if (at === this.wide || this.page !== this.filled) this.#fill(panel, at, rows * columns);
      if (panel instanceof Plane) panel.mark(here?.row ?? -1, here?.column ?? -1);
      else panel.mark(here ? here.row * columns + here.column : -1);
    });
    this.filled = this.page;
    this.#caption(here ? here.row * columns + here.column : -1);
    this.pages.show(this.page, this.done);
    this.patchMap.show(this.page, this.now);
  }

  /** @param {NumberGrid | Plane} panel @param {number} at @param {number} many */
  #fill(panel, at, many) {
    const entries = Array.from({ length: many }, (_, place) => this.#entry(at, place));
    const { columns } = this.layout;
    if (panel instanceof Plane)
      panel.fill((row, column) => entries[row * columns + column]?.value ?? null, this.scales[at]);
    else panel.fill(entries, this.scales[at]);
  }

  /** @param {number} place */
  #caption(place) {
    const { pages } = this.layout;
    const number = pages[this.page]?.number ?? null;
    this.captions?.forEach((caption, at) => {
      const entry = place >= 0 ? this.#entry(at, place) : null;
      const name = this.#name(at);
      const of = pages.length > 1 && number !== null ? `${name}, ${pages[this.page].letter} = ${number}` : name;
      caption.textContent = entry && this.panels[at] instanceof Plane ? `${of}:  ${briefNumber(entry.value)}` : of;
    });
  }
}
