/** A plane as a table of values: arrow keys move, Enter or a click selects. */
import { fittedNumber } from "../numbers_brief.js";
import { formatNumber } from "../explain/numbers.js";
import { createElement } from "../elements.js";
import { share } from "../style/scale.js";
import { neighbor } from "./plane.js";

const LONG = 4;

/**
 * @param {import("./plane.js").Options} options
 * @returns {import("./plane.js").Plane}
 */
export function cells(options) {
  const { rows, columns, label } = options;
  const element = createElement("div", { class: "number-plane", role: options.pick ? "grid" : "table", "aria-label": label });
  element.style.setProperty("--columns", String(columns));
  const all = Array.from({ length: rows * columns }, (_, k) => cell(options, k));
  for (let i = 0; i < rows; i++) {
    element.append(createElement("div", { role: "row" }, ...all.slice(i * columns, (i + 1) * columns)));
  }
  if (options.pick) addKeyboard(element, all, options);
  if (options.hover) addHover(element, all, options);
  const put = (/** @type {ArrayLike<number>} */ values, /** @type {import("./plane.js").Scale} */ scale) => {
    show(all, values, scale, options);
    element.classList.toggle(
      "roomy",
      all.some((cellElement) => (cellElement.textContent ?? "").length > LONG),
    );
  };
  return { element, show: put, mark: (marks) => mark(all, marks) };
}

/** @param {import("./plane.js").Options} options @param {number} k */
function cell(options, k) {
  if (!options.pick) return createElement("div", { role: "cell" });
  return createElement("div", { role: "gridcell", tabindex: k === 0 ? 0 : -1 });
}

/**
 * @param {HTMLElement[]} all
 * @param {ArrayLike<number>} values
 * @param {import("./plane.js").Scale} scale
 * @param {import("./plane.js").Options} options
 */
function show(all, values, scale, { columns, name }) {
  all.forEach((element, k) => {
    const part = share(values[k], scale);
    element.textContent = fittedNumber(values[k]);
    element.setAttribute("aria-label", `${name(Math.floor(k / columns), k % columns)} = ${formatNumber(values[k])}`);
    element.classList.toggle("negative", part < 0);
    element.style.setProperty("--share", Math.min(Math.abs(part) || 0, 1).toFixed(3));
  });
}

/** @param {HTMLElement[]} all @param {Map<number, import("./plane.js").Mark>} marks */
export function mark(all, marks) {
  all.forEach((element, k) => {
    const kind = marks.get(k);
    if (kind) element.dataset.mark = kind;
    else delete element.dataset.mark;
    if (element.getAttribute("role") === "gridcell") {
      element.setAttribute("aria-selected", String(kind === "chosen"));
    }
  });
}

/** @param {HTMLElement} element @param {HTMLElement[]} all @param {import("./plane.js").Options} options */
function addKeyboard(element, all, { rows, columns, pick }) {
  element.addEventListener("keydown", (event) => {
    const k = all.indexOf(/** @type {HTMLElement} */ (event.target));
    if (k < 0) return;
    const [i, j] = [Math.floor(k / columns), k % columns];
    const next = neighbor(event.key, i, j, rows, columns);
    if (next) focus(all, next[0] * columns + next[1]);
    else if (event.key === "Enter" || event.key === " ") pick?.(i, j);
    else return;
    event.preventDefault();
  });
  element.addEventListener("click", (event) => {
    const k = all.indexOf(/** @type {HTMLElement} */ (event.target));
    if (k < 0) return;
    focus(all, k);
    pick?.(Math.floor(k / columns), k % columns);
  });
}

/** @param {HTMLElement[]} all @param {number} k */
function focus(all, k) {
  all.forEach((element, other) => element.setAttribute("tabindex", other === k ? "0" : "-1"));
  all[k].focus();
}

/** @param {HTMLElement} element @param {HTMLElement[]} all @param {import("./plane.js").Options} options */
export function addHover(element, all, { columns, hover }) {
  /** @type {(inside: boolean) => (event: Event) => void} */
  const notify = (inside) => (event) => {
    const k = all.findIndex((cellElement) => cellElement === event.target || cellElement.contains(/** @type {Node} */ (event.target)));
    if (k >= 0) hover?.(Math.floor(k / columns), k % columns, inside);
  };
  for (const name of ["pointerover", "focusin"]) element.addEventListener(name, notify(true));
  for (const name of ["pointerout", "focusout"]) element.addEventListener(name, notify(false));
}
