/**
 * The panel that shows how one cell is computed.
 *
 * @typedef {import("../../types.js").Explanation} Explanation
 * @typedef {import("../../types.js").Trace} Trace
 * @typedef {{
 *   explanation: Explanation, trace: Trace,
 *   follow(cell: string): void, href(cell: string): string, question(weight: string): string,
 * }} PanelContext  the explained cell, and actions of the panel. question: returns the address of the question why a
 *   weight changed
 */

import { createElement } from "../../elements.js";
import { formatNumber } from "../../explain/numbers.js";
import { calculation } from "../../figures/calculation.js";
import { codeOf } from "./code.js";
import { curveOf } from "./curve.js";
import { equationOf } from "./equation.js";
import { fold } from "./fold.js";
import { linksOf, titleOf } from "./head.js";
import { jacobianOf } from "./jacobian.js";
import { lettersOf, markLetters } from "./letters.js";
import { productsOf } from "./products.js";
import { sourcesOf } from "./sources.js";
import { TermTable } from "./terms.js";

const RAIL = 40; // pixels; height of the rail of the sheet
const FEW = 2; // terms; so few are shown in the table of terms alone

export class Panel {
  /** @param {PanelContext} context @param {() => void} close */
  constructor(context, close) {
    const { explanation, trace } = context;
    const { cell, terms, sources, code } = explanation;
    this.cell = cell;
    /** @type {Trace | null} */
    this.trace = trace;
    this.title = titleOf(context, close);
    const text = createElement(
      "div.computation-text",
      createElement("div.computation-head", this.title, linksOf(context)),
      equationOf(explanation, lettersOf(explanation)),
    );
    const table = terms.length > 1 ? new TermTable(context) : null;
    const parts = table ? folded(table.title, table.element, terms.length <= FEW) : folded("Computed from", sourcesOf(context), true);
    const foot = createElement("div.computation-foot", parts, folded("In the code", codeOf(explanation)));
    foot.hidden = !sources.length && !code.length;
    this.element = createElement("div.computation-panel", text, createElement("div.computation-show", ...shownParts(context)), foot);
  }

  focus() {
    const name = /** @type {HTMLElement | null} */ (this.title.querySelector("h2"));
    name?.focus({ preventScroll: true });
  }

  /** Scrolls to the top of the panel unless it is entirely visible. A window that embeds the page is not scrolled. */
  reveal() {
    const place = this.element.parentElement ?? this.element;
    const { top, bottom } = place.getBoundingClientRect();
    if (top >= RAIL && bottom <= innerHeight) return;
    const head = parseFloat(getComputedStyle(document.documentElement).scrollPaddingTop) || 0;
    scrollBy({ top: top - head, behavior: "instant" });
  }
}

/** Returns what the panel shows of a computation, based on its explanation. @param {PanelContext} context */
function shownParts(context) {
  const { explanation } = context;
  const { terms, steps = [] } = explanation;
  if (explanation.jacobian) return [jacobianOf(context)];
  const shown = [];
  if (explanation.curve) shown.push(curveOf(context));
  else if (terms.length > FEW) shown.push(productsOf(context));
  if (terms.length > FEW) shown.push(sumOf(explanation));
  if (steps.length) {
    const lines = calculation(steps);
    markLetters(lines, lettersOf(explanation));
    shown.push(lines);
  }
  return shown;
}

/** Says how many terms are added, and what they add up to. @param {Explanation} explanation */
function sumOf({ terms, scale, value }) {
  const zeros = terms.filter((term) => term.value === 0).length;
  const words = `sum of ${terms.length - zeros} terms${zeros ? `; ${zeros} more ${zeros === 1 ? "is" : "are"} 0` : ""}`;
  const sum = terms.reduce((total, term) => total + term.value, 0);
  const result = createElement("b.computation-so-far", formatNumber(value));
  return createElement("p.computation-sum", `${words} = `, ...(scale ? [`${formatNumber(sum)} · ${scale.symbols} = `, result] : [result]));
}

/** @param {string} title @param {HTMLElement} content @param {boolean} [open] */
function folded(title, content, open = false) {
  const details = fold(title, "computation-fold", () => [], open);
  details.append(content);
  details.hidden = content.hidden;
  return details;
}
