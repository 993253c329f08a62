/** An editable plane: one text field per value. Arrow keys move between fields; a spreadsheet block can be pasted. */
import { formatNumber } from "../explain/numbers.js";
import { mark, addHover } from "./cells.js";
import { createElement } from "../elements.js";
import { share } from "../style/scale.js";
import { neighbor } from "./plane.js";
import { numberOf } from "./typed.js";

/**
 * @typedef {import("./plane.js").Options & {
 *   change: (row: number, column: number, value: number) => void,
 *   paste: (row: number, column: number, block: string) => void,
 *   refuse: (text: string) => void, restore: () => void,
 * }} FieldOptions
 */

/**
 * @param {FieldOptions} options
 * @returns {import("./plane.js").Plane}
 */
export function fields(options) {
  const { rows, columns, label } = options;
  const element = createElement("div", { class: "number-plane fields", role: "group", "aria-label": label });
  element.style.setProperty("--columns", String(columns));
  const all = Array.from({ length: rows * columns }, (_, k) => {
    const name = options.name(Math.floor(k / columns), k % columns);
    return createElement("input", {
      type: "text",
      inputmode: "text",
      autocomplete: "off",
      spellcheck: "false",
      "aria-label": name,
    });
  });
  for (let i = 0; i < rows; i++) {
    element.append(createElement("div", { class: "row" }, ...all.slice(i * columns, (i + 1) * columns)));
  }
  addEditing(element, all, options);
  addHover(element, all, options);
  return { element, show: (values, scale) => show(all, values, scale), mark: (marks) => mark(all, marks) };
}

/** @param {HTMLInputElement[]} all @param {ArrayLike<number>} values @param {import("./plane.js").Scale} scale */
function show(all, values, scale) {
  all.forEach((input, k) => {
    const part = share(values[k], scale);
    const typing = input === document.activeElement && numberOf(input.value) === values[k];
    if (!typing) input.value = plain(values[k]);
    input.removeAttribute("aria-invalid");
    input.classList.toggle("negative", part < 0);
    input.classList.toggle("long", input.value.length > 5);
    input.style.setProperty("--share", Math.min(Math.abs(part) || 0, 1).toFixed(3));
  });
}

/** Formats a value for editing, with all its digits. @param {number} value */
function plain(value) {
  const text = formatNumber(value);
  return numberOf(text) === value ? text : String(value);
}

/** @param {HTMLElement} element @param {HTMLInputElement[]} all @param {FieldOptions} options */
function addEditing(element, all, options) {
  const { rows, columns } = options;
  const at = (/** @type {Event} */ event) => {
    const k = all.indexOf(/** @type {HTMLInputElement} */ (event.target));
    return [Math.floor(k / columns), k % columns];
  };
  element.addEventListener("input", (event) => {
    const input = /** @type {HTMLInputElement} */ (event.target);
    const value = numberOf(input.value);
    input.toggleAttribute("aria-invalid", value === null);
    if (value === null) return options.refuse(`“${input.value}” is not a number; the previous value is kept.`);
    const [i, j] = at(event);
    return options.change(i, j, value);
  });
  element.addEventListener("paste", (event) => {
    const block = event.clipboardData?.getData("text") ?? "";
    if (!/[\t\n]/.test(block.trim())) return;
    event.preventDefault();
    const [i, j] = at(event);
    options.paste(i, j, block);
  });
  element.addEventListener("keydown", (event) => {
    const input = /** @type {HTMLInputElement} */ (event.target);
    const key = event.key === "Enter" ? "ArrowDown" : event.key;
    if (inside(input, key)) return;
    const [i, j] = at(event);
    const next = neighbor(key, i, j, rows, columns);
    if (!next) return;
    event.preventDefault();
    const other = all[next[0] * columns + next[1]];
    other.focus();
    other.select();
  });
  element.addEventListener("focusout", (event) => {
    const input = /** @type {HTMLInputElement} */ (event.target);
    if (numberOf(input.value) === null) options.restore();
  });
}

/** Returns whether the caret can still move within the field. @param {HTMLInputElement} input @param {string} key */
function inside(input, key) {
  const [from, to] = [input.selectionStart ?? 0, input.selectionEnd ?? 0];
  if (from !== to) return false;
  return (key === "ArrowLeft" && from > 0) || (key === "ArrowRight" && to < input.value.length);
}
