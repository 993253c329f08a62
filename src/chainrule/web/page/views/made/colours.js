import { diverging, sequential } from "../../style/scale.js";

/**
 * How numbers are coloured, as on the maps of the river: activations in ink, everything signed from blue to vermillion.
 *
 * @typedef {{kind: "sequential" | "diverging", low: number, high: number}} Scale  the numbers with the end colours
 */

/** @param {ArrayLike<number>} values @param {boolean} signed zero is in the middle @returns {Scale} */
export function scaleOf(values, signed) {
  let [low, high] = [0, 0];
  for (let at = 0; at < values.length; at += 1) {
    if (values[at] < low) low = values[at];
    else if (values[at] > high) high = values[at];
  }
  if (!signed) return { kind: "sequential", low, high };
  const most = Math.max(-low, high);
  return { kind: "diverging", low: -most, high: most };
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
  const share =
    scale.high > scale.low ? (value - scale.low) / (scale.high - scale.low) : scale.kind === "diverging" ? 0.5 : 0;
  return scale.kind === "sequential" ? sequential(share) : diverging(2 * share - 1);
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
