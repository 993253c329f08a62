/** The lab's input controls. Each consists of an element and a function that sets its value. */
import { button, createElement } from "../../elements.js";

/**
 * Creates a switch between a few choices.
 * @template {string} T
 * @param {string} label
 * @param {[T, string][]} choices
 * @param {(picked: T) => void} pick
 */
export function choice(label, choices, pick) {
  const buttons = choices.map(([value, text]) => button(text, () => pick(value), { "data-value": value }));
  const row = createElement("div", { class: "switch", role: "group", "aria-label": label }, ...buttons);
  return {
    element: labelled(label, row),
    /** @param {T} value */
    set(value) {
      for (const each of buttons) each.setAttribute("aria-pressed", String(each.dataset.value === value));
    },
  };
}

/**
 * Creates a row of integer fields with bounds.
 * @param {string} label
 * @param {string[]} names
 * @param {number} least
 * @param {number} most
 * @param {(values: number[]) => void} change
 */
export function numbers(label, names, least, most, change) {
  const inputs = names.map((name) => {
    return createElement("input", {
      type: "number",
      min: least,
      max: most,
      step: 1,
      "aria-label": `${label}, ${name}`,
      title: name,
    });
  });
  /** @type {number[]} */
  let last = names.map(() => least);
  const row = createElement("div", { class: "numbers" }, ...inputs);
  row.addEventListener("input", () => {
    const values = inputs.map((input) => Number(input.value));
    const good = values.map(
      (value, k) => inputs[k].value !== "" && Number.isInteger(value) && value >= least && value <= most,
    );
    inputs.forEach((input, k) => input.toggleAttribute("aria-invalid", !good[k]));
    if (good.every(Boolean)) change((last = values));
  });
  row.addEventListener("focusout", () => show());
  const show = () =>
    inputs.forEach((input, k) => {
      input.removeAttribute("aria-invalid");
      if (input.value !== String(last[k])) input.value = String(last[k]);
    });
  return {
    element: labelled(label, row),
    /** @param {number[]} values */
    set(values) {
      last = values;
      inputs.forEach((input, k) => {
        if (input !== document.activeElement) input.value = String(values[k]);
      });
    },
    /** @param {number} k @param {boolean} able */
    enable(k, able) {
      inputs[k].disabled = !able;
    },
  };
}

/** @param {string} text @param {(on: boolean) => void} change */
export function check(text, change) {
  const input = createElement("input", { type: "checkbox" });
  input.addEventListener("change", () => change(input.checked));
  const element = createElement("label", { class: "check" }, input, text);
  return { element, set: (/** @type {boolean} */ on) => void (input.checked = on) };
}

/** @param {string} label @param {HTMLElement} part */
function labelled(label, part) {
  return createElement(
    "div",
    { class: "lab-labelled" },
    createElement("span", { class: "lab-label", "aria-hidden": "true" }, label),
    part,
  );
}
