/** The dialog that lists the keyboard shortcuts. */

import { make } from "./elements.js";

/** @type {[string, string[][]][]} */
const KEYS = [
  [
    "Anywhere",
    [
      ["?", "show this list"],
      ["f b u", "forward, backward, update"],
      ["Tab", "next map or control"],
    ],
  ],
  [
    "On a map",
    [
      ["← ↑ → ↓", "next cell; past the edge, the next map"],
      ["Page Up, Page Down", "previous or next page of maps"],
      ["Enter", "select the cell and show how it is computed"],
    ],
  ],
  [
    "In the computation of a cell",
    [
      ["← →", "a step back, or on"],
      ["Space", "play or pause"],
      ["Esc", "close"],
    ],
  ],
  [
    "In the lab",
    [
      ["← ↑ → ↓", "next value"],
      ["Enter", "on a result: show how it is computed"],
    ],
  ],
  ["On the walk", [["← →", "previous or next stop"]]],
  [
    "On the time line",
    [
      ["← →", "a step back, or on"],
      ["Page Up, Page Down", "a tenth of the time line forward or back"],
      ["Home, End", "the first or the newest step"],
    ],
  ],
];

/** @returns {HTMLDialogElement} */
export function keysDialog() {
  const dialog = make("dialog", { class: "keys", "aria-label": "Keys" }, make("h2", {}, "Keys"));
  for (const [heading, rows] of KEYS) dialog.append(make("h3", {}, heading), table(rows));
  dialog.append(make("form", { method: "dialog" }, make("button", {}, "Close")));
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  return dialog;
}

/** @param {string[][]} rows */
function table(rows) {
  const lines = rows.flatMap(([keys, words]) => [make("dt", {}, make("kbd", {}, keys)), make("dd", {}, words)]);
  return make("dl", {}, ...lines);
}
