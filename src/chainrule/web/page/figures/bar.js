/** A bar whose length is a share of the largest value: from the middle to the right, or to the left if it is negative. */

import { createElement } from "../elements.js";

/**
 * @param {number} value @param {number} most  the largest magnitude
 * @param {number | null} from  sum of the preceding values, if the bar is a part of a whole; null: it starts in the middle
 */
export function signedBar(value, most, from = null) {
  return createElement("span", {
    class: `signed-bar ${value < 0 ? "down" : "up"} ${from === null ? "" : "whole"}`,
    "--share": Math.min(1, Math.abs(value) / most),
    "--from": Math.abs(from ?? 0) / most,
  });
}
