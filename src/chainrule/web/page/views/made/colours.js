import { diverging, sequential } from "../../style/scale.js";

/**
 * How numbers are coloured: activations that are never negative in ink, everything signed from blue to vermillion.
 *
 * @typedef {{kind: "sequential" | "diverging", limit: number}} Scale  limit: the number with the full colour
 */

/** @param {ArrayLike<number>} values @param {boolean} signed whether they could be negative @returns {Scale} */
export function scaleOf(values, signed) {
  let low = 0;
  let high = 0;
  for (let at = 0; at < values.length; at += 1) {
    if (values[at] < low) low = values[at];
    if (values[at] > high) high = values[at];
  }
  return { kind: signed || low < 0 ? "diverging" : "sequential", limit: Math.max(-low, high) || 1 };
}

/** The scale of a whole tensor, so that a cell has one colour wherever it is shown.
 * @param {import("../../types.js").Trace} trace @param {string} tensor @returns {Scale} */
export function scaleOfTensor(trace, tensor) {
  const array = trace.values.get(tensor);
  return scaleOf(array ? array.data : [1], !/(?:^x|^t|\.y)$/u.test(tensor));
}

/** @param {Scale} scale @param {number} value @returns {[number, number, number]} */
export function colourOf(scale, value) {
  if (!Number.isFinite(value)) return [255, 0, 255];
  return scale.kind === "sequential" ? sequential(value / scale.limit) : diverging(value / scale.limit);
}

/** Black or white, whichever reads better on a colour. @param {[number, number, number]} colour */
export function inkOn(colour) {
  const [red, green, blue] = colour.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#000" : "#fff";
}

/** @param {HTMLElement} element @param {Scale} scale @param {number} value */
export function paint(element, scale, value) {
  const colour = colourOf(scale, value);
  element.style.setProperty("--fill", `rgb(${colour.join(" ")})`);
  element.style.setProperty("--on-fill", inkOn(colour));
}
