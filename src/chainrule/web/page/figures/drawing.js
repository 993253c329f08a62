/** Parts of drawings of the computation: axes, segments, points, texts and lines through points. */

import { createSvg } from "../elements.js";

/**
 * Returns the linear map of the values from `low` to `high` to the pixels from `start` to `end`.
 * @param {number} low @param {number} high @param {number} start @param {number} end
 */
export function axis(low, high, start, end) {
  return (/** @type {number} */ value) => start + ((value - low) / (high - low || 1)) * (end - start);
}

/** @param {string} kind  the class @param {number} x1 @param {number} y1 @param {number} x2 @param {number} y2 */
export function segment(kind, x1, y1, x2, y2) {
  return createSvg("line", { class: kind, x1, y1, x2, y2 });
}

/** @param {string} kind  the class @param {number} cx @param {number} cy @param {number} r */
export function dot(kind, cx, cy, r) {
  return createSvg("circle", { class: kind, cx, cy, r });
}

/** @param {string} text @param {number} x @param {number} y @param {"start" | "middle" | "end"} [anchor] */
export function label(text, x, y, anchor = "start") {
  return createSvg("text", { class: "computation-tick", x, y, "text-anchor": anchor }, text);
}

/** Creates a line through points, without a line for fewer than two. @param {string} kind  the class @param {number[][]} points */
export function polyline(kind, points) {
  const places = points.map((point) => point.map((coordinate) => coordinate.toFixed(1)).join(" "));
  return createSvg("path", { class: kind, d: places.length > 1 ? `M${places.join("L")}` : "" });
}
