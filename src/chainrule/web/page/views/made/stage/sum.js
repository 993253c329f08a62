import { formatNumber } from "../../../explain/numbers.js";
import { createElement } from "../../../elements.js";
import { numberLink } from "../links.js";
import { Waterfall } from "./waterfall.js";

/**
 * The term added last, in large digits, and the partial sum.
 *
 * @typedef {import("./stage.js").Making} Making
 * @typedef {import("./stage.js").Stage} Stage
 */

/** @param {Making} making @param {(done: number) => void} chosen @returns {Stage} */
export function sumStage(making, chosen) {
  const { terms, scale, value } = making.explanation;
  const sums = running(terms.map((term) => term.value));
  const waterfall = new Waterfall(sums, chosen);
  const line = createElement("div", { class: "made-term-line" });
  return {
    element: createElement("div", { class: "made-sum" }, line, ...(terms.length > 1 ? [waterfall.element] : [])),
    count: terms.length,
    show(done, stepping) {
      waterfall.show(done, stepping);
      const whole = done === terms.length;
      const total = whole && !scale ? value : sums[done];
      const parts = stepping && done ? termParts(making, done) : [];
      const name = whole ? `sum of ${counted(terms.length)}` : done ? "sum so far" : "no term added yet";
      parts.push(large(document.createTextNode(formatNumber(total)), name, "made-so-far"));
      if (scale && whole) {
        parts.push(
          sign("·"),
          large(document.createTextNode(scale.symbols), "divisor", ""),
          sign("="),
          large(document.createTextNode(formatNumber(value)), making.explanation.cell, "made-so-far"),
        );
      }
      line.replaceChildren(...parts);
    },
    say: (done) => `sum so far ${formatNumber(sums[done])}`,
  };
}

/** @param {number} many */
function counted(many) {
  return many === 1 ? "1 term" : `${many} terms`;
}

/** @param {Making} making @param {number} done */
function termParts(making, done) {
  const term = making.explanation.terms[done - 1];
  const many = making.explanation.terms.length;
  const parts = term.factors.flatMap((factor, at) => {
    const number = factor.cell
      ? numberLink(making, factor.cell, factor.value)
      : document.createTextNode(formatNumber(factor.value));
    const shownAs = large(number, factor.cell ?? (factor.why ? `${factor.name}: ${factor.why}` : factor.name), "");
    return at ? [sign("·"), shownAs] : [shownAs];
  });
  if (term.factors.length > 1)
    parts.push(sign("="), large(document.createTextNode(formatNumber(term.value)), `term ${done} of ${many}`, ""));
  else parts[0].lastChild?.appendChild(document.createTextNode(`, term ${done} of ${many}`));
  return [...parts, sign("→")];
}

/** @param {Node} number @param {string} name @param {string} kind */
function large(number, name, kind) {
  return createElement(
    "span",
    { class: `made-large-number ${kind}`.trim() },
    createElement("span", { class: "made-digits" }, number),
    createElement("span", { class: "made-under" }, name),
  );
}

/** @param {string} text */
function sign(text) {
  return createElement("span", { class: "made-between" }, text);
}

/** Returns the partial sums of the first 0, 1, 2 … values. @param {number[]} values */
function running(values) {
  const sums = [0];
  for (const value of values) sums.push(sums[sums.length - 1] + value);
  return sums;
}
