import { exactNumber, formatNumber } from "../../explain/numbers.js";
import { createElement } from "../../elements.js";

/**
 * Links to cells. They have real addresses, so they can be opened in another tab or copied.
 *
 * @typedef {{follow(cell: string): void, href(cell: string): string}} Follower
 */

/** @param {Follower} follower @param {string} cell @param {string} text @param {string} [names] */
export function cellLink(follower, cell, text, names = "computation-cell-link") {
  const link = createElement("a", { class: names }, text);
  link.href = follower.href(cell);
  link.addEventListener("click", (event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    follower.follow(cell);
  });
  return link;
}

/**
 * Creates a link showing a cell's value.
 * @param {Follower} follower @param {string} cell @param {number} value @param {string} [text]  the value in another format
 */
export function numberLink(follower, cell, value, text = formatNumber(value)) {
  const link = cellLink(follower, cell, text, "computation-cell-link number");
  link.title = `${cell} = ${exactNumber(value)}`;
  link.setAttribute("aria-label", `${text}, ${cell}`);
  return link;
}
