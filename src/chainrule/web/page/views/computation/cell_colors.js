import { colourOf, luminance, scaleOf } from "../../style/scale.js";

/**
 * Colours of cells with text.
 *
 * @typedef {import("../../style/scale.js").Scale} Scale
 */

const EVEN = 0.179; // the luminance at which black and white have equal contrast

/** Returns the scale of a whole tensor, so that a cell has the same colour wherever it is shown.
 * @param {import("../../types.js").Trace} trace @param {string} tensor @returns {Scale} */
export function scaleOfTensor(trace, tensor) {
  const array = trace.values.get(tensor);
  return scaleOf(array ? array.data : [1], /(?:^x|^t|\.y)$/u.test(tensor) ? "sequential" : "diverging");
}

/** Paints a cell, with black or white text, whichever has more contrast.
 * @param {HTMLElement} element @param {Scale} scale @param {number} value */
export function paint(element, scale, value) {
  const colour = colourOf(value, scale);
  element.style.setProperty("--fill", `rgb(${colour.join(" ")})`);
  element.style.setProperty("--on-fill", luminance(colour) > EVEN ? "#000" : "#fff");
}
