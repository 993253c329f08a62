import { mathml } from "../../../equations/mathml.js";
import { spoken } from "../../../equations/text.js";
import { distinct, formatNumber } from "../../../explain/numbers.js";
import { named, parted } from "../../../explain/naming.js";
import { briefNumber } from "../../../numbers_brief.js";
import { createElement } from "../../../elements.js";
import { signed } from "../../../style/scale.js";
import { paint } from "../../../figures/cell_colors.js";
import { Plane } from "./plane.js";
import { operandSide } from "./operand_size.js";

/**
 * Softmax with cross-entropy: the gradient of the probabilities, the Jacobian, one column of their product and its
 * simplification.
 *
 * @typedef {import("./stage.js").PanelContext} PanelContext
 * @typedef {import("./stage.js").Stage} Stage
 * @typedef {{k: number, p: number, t: number, dp: number, j: number, product: number}} Row
 */

const MOST_LABELS = 12;
const HEADS = ["k", "ŷ_{k}", "t_{k}", "∂L/∂ŷ_{k}", "∂ŷ_{k}/∂z_{j}", "∂L/∂ŷ_{k} · ∂ŷ_{k}/∂z_{j}"];

/** @param {PanelContext} context @returns {Stage} */
export function jacobianStage(context) {
  const rows = context.explanation.jacobian?.rows ?? [];
  const column = parted(context.explanation.cell).index[0] ?? 0;
  const classes = context.trace.description.classes;
  const matrix = matrixOf(context, rows, column);
  const lines = rows.map((row) => lineOf(row, classes[row.k] ?? ""));
  const head = createElement("tr", ...HEADS.map((text) => headOf(text.replace("_{j}", `_{${column}}`))));
  const total = createElement("td.computation-total", "");
  const foot = createElement("tr", cellOf("td", "Σ", 5), total);
  paintColumns(lines, rows);
  const table = createElement(
    "table.computation-chain",
    createElement("thead", head),
    createElement("tbody", ...lines),
    createElement("tfoot", foot),
  );
  const collapse = collapseOf(context, rows, column);
  const caption = createElement("figcaption", mathml(`∂ŷ_{k}/∂z_{j} = ŷ_{k} · (δ_kj − ŷ_{j})`));
  return {
    element: createElement(
      "div.computation-softmax",
      createElement(
        "div.computation-factors",
        createElement("figure.computation-factor", caption, labeled(matrix.element, rows.length)),
        createElement("figure.computation-factor", table),
        collapse,
      ),
    ),
    count: rows.length,
    show(done, stepping) {
      lines.forEach((line, at) => {
        line.classList.toggle("computation-waiting", at >= done);
        line.classList.toggle("computation-now", stepping && at === done - 1);
      });
      matrix.mark(stepping ? done - 1 : -1, column);
      total.textContent = formatNumber(rows.slice(0, done).reduce((sum, row) => sum + row.product, 0));
      collapse.classList.toggle("computation-waiting", done < rows.length);
    },
    say(done) {
      const row = rows[done - 1];
      return row ? `class ${row.k}: ${briefNumber(row.dp)} times ${briefNumber(row.j)} is ${briefNumber(row.product)}` : "";
    },
  };
}

/** @param {PanelContext} context @param {Row[]} rows @param {number} column */
function matrixOf(context, rows, column) {
  const { tensor } = parted(context.explanation.cell);
  const plane = new Plane(
    rows.length,
    rows.length,
    "the Jacobian of softmax",
    context,
    (_, at) => named(tensor, [at]),
    operandSide(),
  );
  const slope = (/** @type {number} */ k, /** @type {number} */ j) => rows[k].p * ((k === j ? 1 : 0) - rows[j].p);
  const all = rows.flatMap((_, k) => rows.map((_row, j) => slope(k, j)));
  plane.veil = 0.25;
  plane.frame = { top: 0, left: column, rows: rows.length, columns: 1 };
  plane.fill(slope, signed(all));
  return plane;
}

/** Adds row and column numbers to the matrix if they fit. @param {HTMLElement} matrix
 * @param {number} count */
function labeled(matrix, count) {
  if (count > MOST_LABELS) return matrix;
  const numbers = () => Array.from({ length: count }, (_, at) => createElement("span", String(at)));
  return createElement(
    "div.computation-labeled",
    createElement("div.computation-column-numbers", ...numbers()),
    createElement("div.computation-row-numbers", ...numbers()),
    matrix,
  );
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
