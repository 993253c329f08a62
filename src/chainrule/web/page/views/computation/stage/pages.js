import { briefNumber } from "../../../numbers_brief.js";
import { button, createElement } from "../../../elements.js";
import { signed } from "../../../style/scale.js";
import { pageSums } from "../../../figures/term_layout.js";
import { paint } from "../../../figures/cell_colors.js";

/**
 * Buttons for the channels or filters of a sum, with their partial sums. One of them is shown.
 *
 * @typedef {import("../../../types.js").Term} Term
 * @typedef {import("../../../figures/term_layout.js").Layout} Layout
 */

export class Pages {
  /** @param {Layout} layout @param {Term[]} terms @param {import("../sequence.js").Sequence} sequence @param {(page: number) => void} onSelect */
  constructor(layout, terms, sequence, onSelect) {
    this.sequence = sequence;
    this.layout = layout;
    this.terms = terms;
    this.page = -1;
    /** @type {HTMLButtonElement[]} */
    this.buttons = layout.pages.map(({ letter, number }, page) => {
      const which = createElement("span.computation-which", `${letter} = ${number}`);
      return button("", () => onSelect(page), { class: "computation-page" }, which, createElement("span.computation-part"));
    });
    this.scale = signed(this.#sums(sequence.count));
    const caption = createElement("span.computation-caption", letterWords(layout.pages[0]?.letter));
    this.element = createElement("div.computation-pages", { hidden: layout.pages.length < 2 }, caption, ...this.buttons);
  }

  /** @param {number} page @param {number} done */
  show(page, done) {
    this.buttons.forEach((key, at) => key.setAttribute("aria-pressed", String(at === page)));
    if (page !== this.page) this.#reveal(page);
    if (this.element.hidden) return;
    this.#sums(done).forEach((sum, at) => {
      const part = /** @type {HTMLElement} */ (this.buttons[at].lastElementChild);
      part.textContent = briefNumber(sum);
      paint(part, this.scale, sum);
    });
  }

  /** Scrolls a button into view without moving the page. @param {number} page */
  #reveal(page) {
    this.page = page;
    const { element } = this;
    const { offsetLeft, offsetWidth } = this.buttons[page];
    const left = offsetLeft - element.offsetLeft;
    if (left < element.scrollLeft) element.scrollLeft = left;
    else if (left + offsetWidth > element.scrollLeft + element.clientWidth) {
      element.scrollLeft = left + offsetWidth - element.clientWidth;
    }
  }

  /** @param {number} done */
  #sums(done) {
    return pageSums(this.layout, this.terms.map(({ value }, at) => (this.sequence.isAdded(at, done) ? value : 0)));
  }
}

/** @param {string | undefined} letter */
function letterWords(letter) {
  return letter === "o" ? "filter by filter" : "channel by channel";
}
