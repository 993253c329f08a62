/** Notices at the top of the page: what went wrong and what to do. There is one notice per kind of problem. */

import { button, createElement, setText } from "./elements.js";

/** @type {Map<string, HTMLElement>} */
const lines = new Map();

/**
 * Shows a notice until it is dismissed or `hideBanner` removes it.
 * @param {string} kind  another notice of the same kind replaces this one
 * @param {string} words
 */
export function showBanner(kind, words) {
  const line = lines.get(kind) ?? newLine(kind);
  const text = line.querySelector("p");
  setText(text, words);
}

/** @param {string} kind */
export function hideBanner(kind) {
  lines.get(kind)?.remove();
  lines.delete(kind);
}

/** @param {string} kind */
function newLine(kind) {
  const close = button("Dismiss", () => hideBanner(kind), { class: "plain" });
  const line = createElement("div.banner", { "data-kind": kind }, createElement("p"), close);
  document.getElementById("banners")?.append(line);
  lines.set(kind, line);
  return line;
}
