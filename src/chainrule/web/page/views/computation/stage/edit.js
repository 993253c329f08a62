import { formatNumber } from "../../../explain/numbers.js";
import { button, createElement } from "../../../elements.js";
import { fold } from "../fold.js";

/**
 * Other values for a cell's computation: the factors of its largest products, or the cells of its window, as fields.
 *
 * @typedef {import("../../../types.js").Explanation} Explanation
 */

const MOST = 12; // rows of fields

/** Returns a fold with the fields, or nothing if the value is neither a sum of products nor a maximum. @param {Explanation} explanation */
export function editFold(explanation) {
  const { terms, pick } = explanation;
  if (terms.length < 2 && !pick) return [];
  return [fold("Edit these values", "computation-fold computation-edit", () => [content(explanation)])];
}

/** @param {Explanation} explanation */
function content({ cell, terms, pick, scale, value }) {
  const rows = pick ? pick.candidates.map((candidate) => [candidate]) : largest(terms).map(({ factors }) => factors);
  const others = pick ? 0 : terms.reduce((sum, term) => sum + term.value, 0) - rows.reduce((sum, row) => sum + product(row.map((factor) => factor.value)), 0);
  const fields = rows.map((row) => row.map((factor) => fieldOf(("name" in factor ? factor.cell || factor.name : factor.cell) ?? "", factor.value)));
  const results = rows.map(() => createElement("output.number"));
  const total = createElement("output.number.computation-so-far");
  const update = () => {
    const values = fields.map((row, at) => row.map((field, k) => (field.value === brief(rows[at][k].value) ? rows[at][k].value : field.valueAsNumber)));
    const products = values.map(product);
    products.forEach((result, at) => (results[at].textContent = formatNumber(result)));
    const whole = pick ? Math.max(...products) : (products.reduce((sum, result) => sum + result, 0) + others) * (scale?.value ?? 1);
    total.textContent = `${cell} = ${formatNumber(whole)} (in the network ${formatNumber(value)})`;
  };
  const reset = () => {
    fields.forEach((row, at) => row.forEach((field, k) => (field.value = brief(rows[at][k].value))));
    update();
  };
  const list = createElement("ol", ...fields.map((row, at) => {
    const parts = row.flatMap((field, k) => (k ? [" · ", field] : [field]));
    return createElement("li", ...parts, ...(pick ? [] : [" = ", results[at]]));
  }));
  list.addEventListener("input", update);
  reset();
  const rest = terms.length > rows.length && !pick ? `The ${terms.length - rows.length} other terms add ${formatNumber(others)}. ` : "";
  return createElement("div", list, createElement("p", `${rest}Your values change this calculation only, not the prediction.`), createElement("p", total, " ", button("Reset", reset)));
}

/** Returns the terms with the largest magnitudes. @param {import("../../../types.js").Term[]} terms */
function largest(terms) {
  return [...terms].sort((a, b) => Math.abs(b.value) - Math.abs(a.value)).slice(0, MOST);
}

/** Returns a number with three digits, for a field. @param {number} value */
function brief(value) {
  return String(Number(value.toPrecision(3)));
}

/** @param {number[]} values */
function product(values) {
  return values.reduce((whole, value) => whole * value, 1);
}

/** @param {string} name @param {number} value */
function fieldOf(name, value) {
  return createElement("input", { type: "number", step: "any", title: `${name} = ${value}`, "aria-label": name });
}
