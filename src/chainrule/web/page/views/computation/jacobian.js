import { mathml } from "../../equations/mathml.js";
import { spoken } from "../../equations/text.js";
import { distinct, formatNumber } from "../../explain/numbers.js";
import { parted } from "../../explain/naming.js";
import { createElement } from "../../elements.js";
import { signed } from "../../style/scale.js";
import { paint } from "../../figures/cell_colors.js";

/**
 * Softmax with cross-entropy: the gradient of the probabilities, one column of the Jacobian, their products and the
 * simplification of their sum.
 *
 * @typedef {import("./panel.js").PanelContext} PanelContext
 * @typedef {{k: number, p: number, t: number, dp: number, j: number, product: number}} Row
 */

const HEADS = ["k", "ŷ_{k}", "t_{k}", "∂L/∂ŷ_{k}", "∂ŷ_{k}/∂z_{j}", "∂L/∂ŷ_{k} · ∂ŷ_{k}/∂z_{j}"];

/** @param {PanelContext} context */
export function jacobianOf(context) {
  const rows = context.explanation.jacobian?.rows ?? [];
  const column = parted(context.explanation.cell).index[0] ?? 0;
  const { classes } = context.trace.description;
  const lines = rows.map((row) => lineOf(row, classes[row.k] ?? ""));
  paintColumns(lines, rows);
  const head = createElement("tr", ...HEADS.map((text) => headOf(text.replace("_{j}", `_{${column}}`))));
  const total = createElement("td.computation-total", formatNumber(rows.reduce((sum, row) => sum + row.product, 0)));
  const table = createElement(
    "table.computation-chain",
    createElement("caption", mathml("∂ŷ_{k}/∂z_{j} = ŷ_{k} · (δ_kj − ŷ_{j})")),
    createElement("thead", head),
    createElement("tbody", ...lines),
    createElement("tfoot", createElement("tr", cellOf("td", "Σ", 5), total)),
  );
  const factors = createElement("div.computation-factors", createElement("figure.computation-factor", table), collapseOf(context, rows, column));
  return createElement("div.computation-softmax", factors);
}

/** @param {Row} row @param {string} label */
function lineOf({ k, p, t, dp, j, product }, label) {
  const name = label && label !== String(k) ? `${k} ${label}` : String(k);
  return createElement(
    "tr",
    { class: t ? "computation-target" : null },
    createElement("th", name),
    ...[p, t, dp, j, product].map((value) => createElement("td", createElement("span", formatNumber(value)))),
  );
}

/** @param {HTMLTableRowElement[]} lines @param {Row[]} rows */
function paintColumns(lines, rows) {
  const slopes = signed(rows.map((row) => row.j));
  lines.forEach((line, at) => {
    const bar = /** @type {HTMLElement} */ (line.children[1]);
    bar.classList.add("computation-bar");
    bar.style.setProperty("--part", String(rows[at].p));
    const slope = /** @type {HTMLElement} */ (line.children[4]);
    slope.classList.add("computation-filled");
    paint(slope, slopes, rows[at].j);
  });
}

/** @param {string} linear */
function headOf(linear) {
  return createElement("th", createElement("span", { "aria-hidden": "true" }, mathml(linear)), createElement("span.unseen", spoken(linear)));
}

/** @param {"td"} tag @param {string} text @param {number} span */
function cellOf(tag, text, span) {
  const cell = createElement(tag, { class: "sum-sign" }, text);
  cell.colSpan = span;
  return cell;
}

/** Shows how the product simplifies. @param {PanelContext} context @param {Row[]} rows @param {number} column */
function collapseOf(context, rows, column) {
  const own = rows[column];
  const lines = [
    "Σ_{k} (−t_{k} / ŷ_{k}) · ŷ_{k} · (δ_kj − ŷ_{j}) = −Σ_{k} t_{k} · (δ_kj − ŷ_{j})",
    "−Σ_{k} t_{k} · (δ_kj − ŷ_{j}) = ŷ_{j} · Σ_{k} t_{k} − t_{j} = ŷ_{j} − t_{j}",
    ...(context.explanation.value && own
      ? [`ŷ_{${column}} − t_{${column}} = ${distinct(own.p, own.t)} − ${formatNumber(own.t)} = ${formatNumber(context.explanation.value)}`]
      : []),
  ];
  const words = [
    "Each probability ŷ cancels with 1/ŷ.",
    "The targets sum to 1, and one value remains:",
    "",
  ];
  return createElement(
    "ol",
    { class: "computation-collapse", tabindex: 0, "aria-label": "How the product simplifies" },
    ...lines.map((line, at) =>
      createElement("li", ...(words[at] ? [createElement("span.computation-why", words[at])] : []), mathml(line)),
    ),
  );
}
