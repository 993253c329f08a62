import { colorOf, luminance, scaleOf } from "../style/scale.js";

/**
 * Colors of cells with text.
 *
 * @typedef {import("../style/scale.js").Scale} Scale
 */

const EVEN = 0.179; // luminance with equal contrast to black and white

/** Returns the scale of a whole tensor, so that a cell has the same color everywhere.
 * @param {import("../types.js").Trace} trace @param {string} tensor @returns {Scale} */
export function scaleOfTensor(trace, tensor) {
  const array = trace.values.get(tensor);
  return scaleOf(array ? array.data : [1], /(?:^x|^t|\.y)$/u.test(tensor) ? "sequential" : "diverging");
}

/** Paints a cell; its text is black or white, whichever has the higher contrast.
 * @param {HTMLElement} element @param {Scale} scale @param {number} value */
export function paint(element, scale, value) {
  const color = colorOf(value, scale);
  element.style.setProperty("--fill", `rgb(${color.join(" ")})`);
  element.style.setProperty("--on-fill", luminance(color) > EVEN ? "#000" : "#fff");
}
