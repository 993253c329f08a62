/** The error of the output as a table: outputs minus targets, with digits that make every row an equation. */

import { createElement } from "../../elements.js";
import { byMagnitude } from "../../engine/tensor.js";
import { enoughDigits } from "../../explain/formulas.js";
import { DIGITS, formatNumber } from "../../explain/numbers.js";

const ROUNDED = 6; // digits of the factor
const MAX_ROWS = 10;

/** @param {import("./output_error.js").OutputError} error @param {number} index  of the score whose row is marked */
export function errorTable({ title, output, target, gradient, factor }, index) {
  const shown = byMagnitude(gradient).slice(0, MAX_ROWS).sort((a, b) => a - b);
  const times = factor === 1 ? "" : ` · ${formatNumber(factor, ROUNDED)}`;
  const rows = shown.map((at) => {
    const error = formatNumber(gradient[at]);
    const digits = enoughDigits(["·", ["−", "output", "target"], factor], [output[at], target[at]], DIGITS, error);
    const numbers = [formatNumber(output[at], digits), formatNumber(target[at], digits), error].map((text) => createElement("td", text));
    return createElement("tr", { class: at === index ? "won" : "" }, createElement("th", { scope: "row" }, String(at)), ...numbers);
  });
  const heads = ["", title, "t", `(${title} − t)${times}`].map((text) => createElement(text ? "th" : "td", text));
  const rest = shown.length < output.length ? `the ${shown.length} largest of ${output.length}` : "all outputs";
  return createElement("table.story-error", createElement("caption", rest), createElement("thead", createElement("tr", ...heads)), createElement("tbody", ...rows));
}
