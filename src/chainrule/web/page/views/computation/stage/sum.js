import { formatNumber } from "../../../explain/numbers.js";
import { createElement } from "../../../elements.js";
import { numberLink } from "../links.js";

/**
 * The last added term and the partial sum in large digits; the factors if there is a single product.
 *
 * @typedef {import("./stage.js").PanelContext} PanelContext
 * @typedef {import("./stage.js").Stage} Stage
 */

/** @param {PanelContext} context @returns {Stage} */
export function sumStage(context) {
  const { terms, scale, value } = context.explanation;
  const { sequence } = context;
  const single = terms.length === 1 && terms[0].factors.length > 1 && !scale;
  const line = createElement("div.computation-term-line");
  return {
    element: createElement("div.computation-sum", line),
    count: sequence.count,
    show(done, stepping) {
      const whole = done === sequence.count;
      const total = whole && !scale ? value : sequence.sums[done];
      if (single && done) return line.replaceChildren(...termParts(context, done));
      const parts = stepping && done ? [...termParts(context, done), sign("→")] : [];
      const name = whole ? summed(sequence) : done ? "sum so far" : "no terms added yet";
      parts.push(large(document.createTextNode(formatNumber(total)), name, "computation-so-far"));
      if (scale && whole) {
        parts.push(
          sign("·"),
          large(document.createTextNode(scale.symbols), "divisor", ""),
          sign("="),
          large(document.createTextNode(formatNumber(value)), context.explanation.cell, "computation-so-far"),
        );
      }
      return line.replaceChildren(...parts);
    },
    say: (done) => `sum so far ${formatNumber(sequence.sums[done])}`,
  };
}

/** @param {import("../sequence.js").Sequence} sequence */
function summed({ count, zeros }) {
  const words = count === 1 ? "sum of 1 term" : `sum of ${count} terms`;
  return zeros ? `${words}; ${zeros} more ${zeros === 1 ? "is" : "are"} 0` : words;
}

/** @param {PanelContext} context @param {number} done */
function termParts(context, done) {
  const term = context.explanation.terms[context.sequence.order[done - 1]];
  const many = context.sequence.count;
  const parts = term.factors.flatMap((factor, at) => {
    const number = factor.cell
      ? numberLink(context, factor.cell, factor.value)
      : document.createTextNode(formatNumber(factor.value));
    const shownAs = large(number, factor.cell ?? (factor.gap ? `${factor.name}: ${factor.gap}` : factor.name), "");
    return at ? [sign("·"), shownAs] : [shownAs];
  });
  if (term.factors.length > 1)
    parts.push(sign("="), large(document.createTextNode(formatNumber(term.value)), many === 1 ? context.explanation.cell : `term ${done} of ${many}`, ""));
  else parts[0].lastChild?.appendChild(document.createTextNode(`, term ${done} of ${many}`));
  return parts;
}

/** @param {Node} number @param {string} name @param {string} kind */
function large(number, name, kind) {
  return createElement(
    "span",
    { class: `computation-large-number ${kind}`.trim() },
    createElement("span.computation-digits", number),
    createElement("span.computation-under", name),
  );
}

/** @param {string} text */
function sign(text) {
  return createElement("span.computation-between", text);
}
