/** What holding a number means, in sentences, and the sum that it shows. Every sentence has a condition. */

import { gradientName } from "../../engine/interpreter.js";
import { parted } from "../../explain/naming.js";
import { asPrinted, bracketed, DIGITS, digitsThat, formatNumber } from "../../explain/numbers.js";
import { counted } from "../../numbers_brief.js";

/** @typedef {import("../../explain/held_layer.js").HeldLayer} HeldLayer */
/** @typedef {import("../../explain/held_layer.js").Holding} Holding */

const NEGLIGIBLE = 1e-9; // of the largest term
const SUMS = { y: "Σ x · w", x: "Σ dy · w", w: "Σ dy · x" };

/** @param {HeldLayer} layer @param {Holding} holding */
export function wordsOf({ operation, gradients, grids, layer }, holding) {
  const { side, cell } = holding;
  const isPart = side !== "y" && gradients[side] && gradients[side] !== gradientName(parted(cell).tensor);
  const part = isPart ? ` Other layers use this number, too: this is the part of its gradient that comes back through ${layer}.` : "";
  const share = formatNumber(holding.terms[0]?.factors[1] ?? 0);
  const bias = operation.reads[2] ? " and the bias b" : "";
  const words = {
    max_pool: {
      y: "An output: the largest input of its window counts with the share 1, the others with the share 0.",
      x: "An input: the largest of a window receives the gradient dy with the share 1, the others with the share 0.",
    },
    average_pool: {
      y: `An output: multiply each input of the window by the share ${share} and add.`,
      x: `An input: each window that contains it sends it the share ${share} of its gradient dy.`,
    },
    dense: {
      y: `An output: multiply each input by its weight in this row, and add the products${bias}.`,
      x: "An input: every output used it, with the weights of this column. Multiply each dy by this weight and add: the sum is dx.",
      w: "A weight: it connects one input with one output. Its gradient dw is the dy of this output times this input.",
    },
    cross_correlate: {
      y: `An output: multiply each input under the kernel by the weight over it, and add the products${bias}.`,
      x: inputWords(holding, grids.w?.rows ?? 1, operation.attributes.flip),
      w: `A weight: the layer uses it at ${counted(holding.terms.length + holding.others, "position")}, each time on another input. If the weight grows a little, the output there grows by this input times as much, and the loss grows by dy times that. Multiply and add: the sum is dw.`,
    },
  };
  return /** @type {Record<string, Record<string, string>>} */ (words)[operation.name][side] + part;
}

/** Says how the order of the weights changes around an input. @param {Holding} holding @param {number} rows  of the kernel @param {boolean} isFlipped */
function inputWords({ terms }, rows, isFlipped) {
  const sum = "If the input grows a little, each output grows by the weight that it used times as much, and the loss grows by dy times that. Multiply and add: the sum is dx.";
  if (terms.length < 2) return `An input: ${terms.length ? "one" : "none"} of these outputs used it. ${sum}`;
  const used = `An input: ${terms.length} of these outputs used it, each with another weight.`;
  if (isFlipped) return `${used} This layer turns its kernel in the forward pass, so that the outputs use the weights in their stored order. ${sum}`;
  const [after, before, turned] = rows > 1 ? ["further down or right", "further up or left", "turned by half a turn"] : ["further right", "further left", "reversed"];
  return `${used} An output ${after} used a weight ${before}. In the order of the outputs, the kernel w is therefore ${turned}. ${sum}`;
}

/** Says which terms are outside the picture. @param {HeldLayer} layer @param {Holding} holding */
function othersOf({ operation: { name } }, { side, others, near }) {
  if (side === "w") return `${counted(others, "position")} outside the picture`;
  if (side === "y") return `${counted(others, "product")} of the other ${name === "dense" ? "inputs" : "channels"}`;
  if (name === "dense" || others === near) return `${counted(others, "output")} outside the picture`;
  return `${counted(others, "output")} of the other filters${near ? " and outside the picture" : ""}`;
}

/** Returns the sum with all shown terms, with enough digits to come out on a pocket calculator. @param {HeldLayer} layer @param {Holding} holding @returns {string[]}  the parts between which a line can break */
export function sumOf(layer, holding) {
  const { side, terms, bias, rest, total } = holding;
  if (total === null) return [];
  const most = Math.max(Math.abs(bias), ...terms.map(({ value }) => Math.abs(value)));
  const further = Math.abs(rest) > NEGLIGIBLE * most ? rest : 0;
  const isZero = Math.abs(total) <= NEGLIGIBLE * most;
  const printed = (/** @type {number} */ n) => terms.reduce((sum, { factors: [a, b] }) => sum + asPrinted(a, n) * asPrinted(b, n), asPrinted(bias, n) + asPrinted(further, n));
  const digits = isZero ? DIGITS : digitsThat((n) => formatNumber(printed(n)) === formatNumber(total));
  const parts = terms.map(({ factors }) => factors.map((factor) => bracketed(factor, factors.includes(0) ? DIGITS : digits)).join(" · "));
  if (bias) parts.push(`b ${bracketed(bias, digits)}`);
  if (further) parts.push(`${othersOf(layer, holding)} ${bracketed(further, digits)}`);
  const symbols = terms[0]?.use.w === null ? SUMS[side].replace("w", "share") : SUMS[side];
  const result = isZero && total !== 0 ? "≈ 0" : `= ${formatNumber(total)}`;
  return [`= ${symbols} =`, ...(parts.length ? parts : ["0"]).map((part, at) => (at ? `+ ${part}` : part)), result];
}
