import { exactNumber } from "../../explain/numbers.js";
import { briefNumber } from "../../numbers_brief.js";
import { paint } from "../../figures/cell_colors.js";
import { createElement } from "../../elements.js";

/**
 * Values in rows and columns, on colored squares.
 *
 * @typedef {import("../../style/scale.js").Scale} Scale
 * @typedef {{value: number, cell: string | null, gap: string | null}} Entry
 */

const WORDS = /** @type {Record<string, string>} */ ({
  padding: "a zero of the padding",
  stride: "a zero between the strides",
});

export class NumberGrid {
  /**
   * @param {number} rows
   * @param {number} columns
   * @param {string} label
   * @param {{follow(cell: string): void}} context
   */
  constructor(rows, columns, label, context) {
    /** @type {HTMLElement[]} */
    this.squares = Array.from({ length: rows * columns }, square);
    const words = `${label}: ${rows} by ${columns} values`;
    const attributes = { role: "img", "aria-label": words, "--rows": rows, "--columns": columns };
    this.element = createElement("div.computation-grid", attributes, ...this.squares);
    /** @type {(Entry | null)[]} */
    this.entries = [];
    this.element.addEventListener("click", ({ target }) => {
      const square = target instanceof Element ? target.closest(".computation-square") : null;
      const cell = square && this.entries[this.squares.indexOf(/** @type {HTMLElement} */ (square))]?.cell;
      if (cell) context.follow(cell);
    });
  }

  /** @param {(Entry | null)[]} entries  row by row; null: no value @param {Scale} scale */
  fill(entries, scale) {
    this.entries = entries;
    entries.forEach((entry, at) => write(this.squares[at], entry, scale));
    const digits = this.squares.map(({ textContent }) => textContent?.length ?? 0);
    this.element.style.setProperty("--digits", String(Math.max(...digits, 4))); // the longest number fits into its square
  }
}

function square() {
  return createElement("div.computation-square", createElement("span.computation-digits"));
}

/** @param {HTMLElement} element @param {Entry | null} entry @param {Scale} scale */
function write(element, entry, scale) {
  const digits = /** @type {HTMLElement} */ (element.firstElementChild);
  element.classList.toggle("computation-empty", entry === null);
  element.classList.toggle("computation-nothing", Boolean(entry?.gap));
  element.classList.toggle("computation-link", Boolean(entry?.cell));
  digits.textContent = entry ? briefNumber(entry.value) : "";
  element.title = entry ? `${entry.cell ?? WORDS[entry.gap ?? ""] ?? "product"} = ${exactNumber(entry.value)}` : "";
  if (entry && !entry.gap) paint(element, scale, entry.value);
}
